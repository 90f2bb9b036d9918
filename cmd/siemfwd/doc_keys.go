package main

import (
	"embed"
	"fmt"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
)

// pages are the documentation of types of sources and sinks and of profiles, by their
// name.
//
//go:embed doc/*.md
var pages embed.FS

// keysDoc is what there is to read about all sources, all sinks, one type of them or a
// receiver that a profile is for: its page and its keys. It is "" for a word that means
// none of these.
func keysDoc(word string) string {
	var b strings.Builder
	if page, err := pages.ReadFile("doc/" + word + ".md"); err == nil {
		b.Write(page)
	}
	b.WriteString(profileDoc(word))
	for _, s := range config.Doc(forwarder.Kinds()) {
		if s.In == "" || s.Vendor != "" || s.Type != word && s.In != word {
			continue
		}
		title := s.Type + ", a " + strings.TrimSuffix(s.In, "s") + ": " + s.Doc
		if s.Type == "" {
			title = s.Doc
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "## Keys of %s\n\n| Key | What it takes | Default | Meaning |\n|---|---|---|---|\n", title)
		for _, k := range s.Keys {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Key, takes(k), code(k.Default), strings.ReplaceAll(k.Doc, "|", `\|`))
		}
	}
	return b.String()
}

// takes says what a key takes.
func takes(k config.Key) string {
	text := k.Type
	if len(k.Enum) > 0 {
		text = "`" + strings.Join(k.Enum, "` `") + "`"
	}
	if k.Required {
		text += ", required"
	}
	return text
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
