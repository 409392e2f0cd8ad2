package bed

import (
	"strings"
	"time"
)

// gateway is the address of the test process and of the API server.
const gateway = "10.99.0.1"

// Address is that of the test process for the cluster: pods reach what listens there.
const Address = gateway

// The ranges of the cluster.
const (
	podRange     = "10.244.0.0/16"
	serviceRange = "10.96.0.0/16"
)

// Edge is a machine that is no node, for balancers: who speaks the PROXY protocol to the nodes and who does not are told apart by
// their addresses.
const (
	Edge        = "edge"
	EdgeAddress = "10.99.0.20"
)

// network makes a bridge in the namespace of the test, and a namespace on it for every node.
func network(nodes []*Node) error {
	lines := []string{
		"link set lo up",
		"link add br0 type bridge",
		"addr add " + gateway + "/24 dev br0",
		"link set br0 up",
	}
	for _, n := range nodes {
		lines = append(lines,
			"netns add "+n.Name,
			"link add v"+n.Name+" type veth peer name eth0 netns "+n.Name,
			"link set v"+n.Name+" master br0 up",
			"-n "+n.Name+" link set lo up",
			"-n "+n.Name+" addr add "+n.Address+"/24 dev eth0",
			"-n "+n.Name+" link set eth0 up",
			"-n "+n.Name+" route add default via "+gateway,
			"route add "+n.podRange+" via "+n.Address,
		)
		for _, other := range nodes {
			if other != n {
				lines = append(lines, "-n "+n.Name+" route add "+other.podRange+" via "+other.Address)
			}
		}
	}
	lines = append(lines,
		"netns add "+Edge,
		"link add v"+Edge+" type veth peer name eth0 netns "+Edge,
		"link set v"+Edge+" master br0 up",
		"-n "+Edge+" link set lo up",
		"-n "+Edge+" addr add "+EdgeAddress+"/24 dev eth0",
		"-n "+Edge+" link set eth0 up",
	)
	for _, line := range lines {
		if _, err := run(5*time.Second, "ip", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// Disconnect takes the node from the network; its pods go on and hear nobody.
func (n *Node) Disconnect() error { return n.link("down") }

// Connect gives the node its network back.
func (n *Node) Connect() error { return n.link("up") }

func (n *Node) link(state string) error {
	_, err := run(5*time.Second, "ip", "link", "set", "v"+n.Name, state)
	return err
}
