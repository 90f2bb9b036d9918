package webhook

import (
	"net/http"
	"net/netip"
	"strings"
)

// address reads HOST:PORT; the zero value stands for what is none.
func address(text string) netip.AddrPort {
	a, _ := netip.ParseAddrPort(text)
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// sender is who sent a request: the peer of its connection or, when that is a proxy,
// whom the proxies say they have it from. Of X-Forwarded-For each proxy adds its own
// peer at the end, so that the sender is the last that is not a proxy; what stands
// before may be invented.
func sender(req *http.Request, proxies []netip.Prefix) netip.AddrPort {
	at := address(req.RemoteAddr)
	if len(proxies) == 0 || !within(proxies, at.Addr()) {
		return at
	}
	named := strings.Split(strings.Join(req.Header["X-Forwarded-For"], ","), ",")
	for i := len(named) - 1; i >= 0; i-- {
		name := strings.TrimSpace(named[i])
		a, err := netip.ParseAddr(strings.Trim(name, "[]"))
		if err != nil {
			withPort := address(name)
			if !withPort.IsValid() {
				break // not an address: the proxy is all that is known
			}
			a = withPort.Addr()
		}
		if at = netip.AddrPortFrom(a.Unmap().WithZone(""), 0); !within(proxies, at.Addr()) {
			break
		}
	}
	return at
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
