// Package configs holds the configurations that siemfwd ships.
package configs

import _ "embed"

// First is the commented configuration that a package installs and `siemfwd init` writes:
// it listens on loopback, and what comes in goes to a file.
//
//go:embed siemfwd.yaml
var First []byte
