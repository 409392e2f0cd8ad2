package listener

import (
	"paifang/internal/http1"
	"paifang/internal/model"
)

// Limits is a listener's parsing in the parser's terms.
func Limits(p model.Parsing) http1.Limits {
	p = p.Effective()
	out := http1.Limits{Head: p.Head, Line: p.Line, Fields: p.Fields}
	switch p.Underscores {
	case model.UnderscoresDrop:
		out.Underscores = http1.DropUnderscores
	case model.UnderscoresAllow:
		out.Underscores = http1.KeepUnderscores
	}
	if p.Slashes == model.SlashesKeep {
		out.Slashes = http1.KeepSlashes
	}
	switch p.EncodedSlashes {
	case model.EncodedSlashesRedirect:
		out.EncodedSlashes = http1.RedirectEncodedSlash
	case model.EncodedSlashesDecode:
		out.EncodedSlashes = http1.DecodeEncodedSlash
	case model.EncodedSlashesKeep:
		out.EncodedSlashes = http1.KeepEncodedSlash
	}
	return out
}
