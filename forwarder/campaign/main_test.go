package campaign

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var (
	long      = flag.Bool("long", false, "the campaigns at full length; with -timeout 0")
	rounds    = flag.Int("rounds", 0, "rounds of a campaign instead of its own number")
	firstSeed = flag.Uint64("seed", 0, "seed of the first round; 0 draws one")
)

// built is the folder of the program under test, if one was built.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	if err := goleak.Find(); status == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// program builds siemfwd as it is shipped and returns its path.
func program(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "siemfwd-campaign"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(built.dir, "siemfwd"), "github.com/siemfwd/siemfwd/cmd/siemfwd")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	require.NoError(t, built.err)
	return filepath.Join(built.dir, "siemfwd")
}

// run is one campaign.
type run struct {
	t      *testing.T
	number int
	rounds int
	seed   uint64
	began  time.Time
}

// begin tells with which seed a campaign runs. short and full are its usual rounds.
func begin(t *testing.T, number, short, full int) *run {
	t.Helper()
	if testing.Short() {
		t.Skip("a campaign")
	}
	if !*long {
		t.Parallel() // they wait, mostly, and hold nothing against the clock
	}
	c := &run{t: t, number: number, rounds: short, seed: *firstSeed, began: time.Now()}
	if *long {
		c.rounds = full
	}
	c.rounds = cmp.Or(*rounds, c.rounds)
	for c.seed == 0 {
		c.seed = rand.Uint64() >> 32
	}
	t.Logf("campaign %d: %d rounds from -seed %d", number, c.rounds, c.seed)
	return c
}

// draw returns the random numbers of one round.
func (c *run) draw(round int) *rand.Rand {
	return rand.New(rand.NewPCG(c.seed+uint64(round), uint64(c.number)))
}

// figures prints the line the campaign ends with.
func (c *run) figures(format string, args ...any) {
	mode := "short"
	if *long {
		mode = "long"
	}
	fmt.Printf("campaign %d: %s (%s, seed %d, %s)\n", c.number, fmt.Sprintf(format, args...), mode, c.seed, time.Since(c.began).Round(time.Second))
}

// millis shows a duration in a line of figures.
func millis(d time.Duration) string { return d.Round(time.Millisecond).String() }
