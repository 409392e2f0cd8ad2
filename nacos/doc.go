// Package nacos registers programs in a registry that speaks Nacos' protocol, follows services, and reads configurations.
//
// A Client keeps one connection and what was asked of it: after the connection was lost it connects again, at another server
// where there are several, registers again and goes on following. Everything that waits takes a context; Close ends all that
// was started.
//
//	c, err := nacos.Connect(ctx, nacos.Options{Servers: []string{"127.0.0.1:8848"}})
//	…
//	defer c.Close()
//	err = c.Register(ctx, nacos.Service{Name: "order"}, nacos.Instance{Addr: netip.MustParseAddrPort("10.0.0.1:8080")})
//	err = c.Follow(ctx, nacos.Service{Name: "stock"}, func(list []nacos.Instance) { … })
//
// A program that only has to be found needs one call, which it ends by ending ctx:
//
//	err = nacos.Keep(ctx, options, service, instance)
//
//	client.go   Client: connecting, keeping the connection
//	keep.go     one registration for as long as a context
//	naming.go   registering, following services
//	config.go   reading and following configurations
package nacos
