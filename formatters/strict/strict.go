// Package strict reads what the formats write, by the letter of their specifications, and
// refuses everything else. It is for tests.
package strict
