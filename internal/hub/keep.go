package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"paifang/internal/model"
	"paifang/internal/source"
)

// Directory is a Keep of one JSON file per source.
type Directory string

type savedGroup struct {
	Key       string              `json:"key"`
	Endpoints []model.EndpointSet `json:"endpoints"`
}

func (d Directory) file(source string) string {
	return filepath.Join(string(d), strings.ReplaceAll(source, "/", "_")+".json")
}

// Save writes the addresses of a source in place of those saved before. The file is whole at any moment.
func (d Directory) Save(source string, groups []source.Group) error {
	saved := make([]savedGroup, 0, len(groups))
	for _, g := range groups {
		saved = append(saved, savedGroup{g.Key, g.Endpoints()})
	}
	text, err := json.Marshal(saved)
	if err != nil {
		return fmt.Errorf("hub: save %s: %w", source, err)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("hub: save %s: %w", source, err)
	}
	tmp := d.file(source) + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("hub: save %s: %w", source, err)
	}
	if err := os.Rename(tmp, d.file(source)); err != nil {
		return fmt.Errorf("hub: save %s: %w", source, err)
	}
	return nil
}

// Load returns what was saved; nothing, where nothing ever was.
func (d Directory) Load(name string) ([]source.Group, error) {
	text, err := os.ReadFile(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("hub: load %s: %w", name, err)
	}
	var saved []savedGroup
	if err := json.Unmarshal(text, &saved); err != nil {
		return nil, fmt.Errorf("hub: load %s: %w", name, err)
	}
	var out []source.Group
	for _, g := range saved {
		out = append(out, source.Group{Key: g.Key, Objects: &model.Objects{Endpoints: g.Endpoints}})
	}
	return out, nil
}

var _ Keep = Directory("")
