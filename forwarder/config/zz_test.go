package config_test
import ("testing";"fmt";"strings";"time";"github.com/siemfwd/siemfwd/forwarder/config")
func TestZZ(t *testing.T){
 N:=4<<20
 rep:=func(s string) string { return strings.Repeat(s, N/len(s)-100) }
 num:=func(f string) string { var b strings.Builder; for i:=0; b.Len()<N-200; i++ { fmt.Fprintf(&b,f,i) }; return b.String() }
 for name,s:=range map[string]string{
 "unknown": num("k%d: 1\n"), "dups": rep("a: b\n"), "secretlist": "sources:\n  h: {type: webhook, auth: {token: ["+rep("abcdef, ")+"]}}\n",
 "secretlistnl": "sources:\n  h:\n    type: webhook\n    auth:\n      token:\n"+rep("      - abcdef\n"),
 "secretlistutf": "sources:\n  h: {type: webhook, auth: {token: ["+rep("äbcdef, ")+"]}}\n",
 "sources": "sources:\n"+num("  s%d: {type: bare, vendor: cef}\n")+"sinks: {x: {type: stdout, format: json}}\n",
 "badsources": "sources:\n"+num("  s%d: {type: bar, vendr: cef}\n")+"sinks: {x: {type: stdout, format: json}}\n",
 "badsourcesflow": "sources: {"+num("s%d: {type: bar, vendr: cef}, ")+"}\n",
 "sinks": "sources:\n"+strings.Repeat(" ",0)+num("  s%d: {type: bare, vendor: cef}\n")[:N/2]+"\nsinks:\n"+num("  s%d: {type: stdout, format: json, from: [s1]}\n")[:N/2]+"\n",
 "from": "sources:\n  a: {type: bare, vendor: cef}\nsinks:\n  s: {type: stdout, format: json, from: ["+num("s%d, ")+"]}\n",
 "extra": "sources: {a: {type: poll, region: us, access_key: x, extra: ["+num("s%d, ")+"]}}\nsinks: {s: {type: stdout, format: json}}\n",
 "refs": "sources: {a: {type: poll, region: us, access_key: x, extra: ["+num("\"${env:A%d}\", ")+"]}}\nsinks: {s: {type: stdout, format: json}}\n",
 "conds": "sources: {a: {type: bare, vendor: cef}}\nsinks: {s: {type: stdout, format: json, when: ["+num("a%d, ")+"]}}\n",
 "rules": "sources: {a: {type: webhook, vendor: cef, listen: x, auth: {type: none}, rules: ["+num("{level: x%d}, ")+"]}}\nsinks: {s: {type: stdout, format: json}}\n",
 "longkey": rep("a")+": 1\n", "longval": "state: "+rep("a")+"\n", "longsecret": "sources: {a: {type: poll, access_key: "+rep("x")+"}}", "quote": "state: \""+rep("a"),
 "commented": rep("# token: x\n")+"a: [\n", "brokenflow": "sources: {a: ["+rep("token: x, ")+"\n", "urls": "sources: {a: ["+rep("http://a:b@c, ")+"]}\n",
 "hash": "state: "+rep(" # token"), "aliases": "a: &a [x]\nb: ["+rep("*a,")+"]\n", "deepkeys": rep("? "), "tags": "a: ["+rep("!a b, ")+"]\n",
 }{
  if len(s)>N { s=s[:N] }
  t0:=time.Now()
  _,ps:=config.Parse([]config.File{{Name:"x.yaml",Data:[]byte(s)}}, kinds(), config.Options{Condition:condition, LookupEnv: func(s string)(string,bool){return s+s,true}})
  fmt.Printf("%-14s %6.2fs %d problems: %v\n",name,time.Since(t0).Seconds(),len(ps), func() string { if e:=ps.Err(); e!=nil { s:=e.Error(); if len(s)>100 {s=s[:100]}; return s }; return "" }())
 }
}
