package bootconfig

import "paifang/internal/document"

// Merge reads files together that nobody has read before.
func Merge(files []File, s Settings) Merged { return new(Merged).Again(files, s) }

// Read reads a file that nobody has read before.
func Read(path string, data []byte) ([]Document, []document.Problem) {
	return new(Reader).Read(path, data)
}
