package configs_test

import (
	"os"
	"testing"

	"github.com/siemfwd/siemfwd/forwarder/simulate"
)

// The example for the simulator has its secret in the environment, as it says itself.
func TestMain(m *testing.M) {
	if err := os.Setenv("SIMULATED", simulate.Secret); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
