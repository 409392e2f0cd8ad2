package hub

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
)

// Directory is a Keep of one JSON file per source. The time of a file is when the source was last heard.
type Directory string

type savedGroup struct {
	Key       string              `json:"key"`
	Endpoints []model.EndpointSet `json:"endpoints"`
}

func (d Directory) file(source string) string {
	return filepath.Join(string(d), strings.ReplaceAll(source, "/", "_")+".json")
}

// Save writes the addresses of a source in place of those saved before. The file is whole at any moment.
func (d Directory) Save(source string, heard time.Time, groups []source.Group) error {
	if err := d.save(d.file(source), heard, groups); err != nil {
		return fmt.Errorf("hub: save %s: %w", source, err)
	}
	return nil
}

func (d Directory) save(file string, heard time.Time, groups []source.Group) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f, groups), f.Sync(), f.Close(), os.Chtimes(file+".new", heard, heard)); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// write writes a group at a time: a large registry is tens of megabytes as a whole.
func write(to io.Writer, groups []source.Group) error {
	out := bufio.NewWriter(to)
	text, before := json.NewEncoder(out), byte('[')
	for _, g := range groups {
		_ = out.WriteByte(before) // an error stays, and Flush returns it
		if err := text.Encode(savedGroup{g.Key, g.Endpoints()}); err != nil {
			return err
		}
		before = ','
	}
	if before == '[' {
		_ = out.WriteByte('[')
	}
	_ = out.WriteByte(']')
	return out.Flush()
}

// Load returns what was saved, and when the source had been heard; nothing, where nothing ever was.
func (d Directory) Load(name string) ([]source.Group, time.Time, error) {
	info, err := os.Stat(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(d.file(name))
	}
	var saved []savedGroup
	if err == nil {
		err = json.Unmarshal(text, &saved)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("hub: load %s: %w", name, err)
	}
	var out []source.Group
	for _, g := range saved {
		out = append(out, source.Group{Key: g.Key, Objects: &model.Objects{Endpoints: g.Endpoints}})
	}
	return out, info.ModTime(), nil
}

var _ Keep = Directory("")
