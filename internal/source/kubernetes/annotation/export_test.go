package annotation

// Replacements are what is said of each directive of a snippet.
func Replacements(snippet string) map[string]string { return replacements(snippet) }
