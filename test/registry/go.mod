module paifang/test/registry

go 1.26.0

require paifang v0.0.0

require (
	go.etcd.io/bbolt v1.4.3 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace paifang => ../..
