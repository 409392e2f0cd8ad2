// Package interop has the official clients of Nacos talk to our registry: nacos-sdk-go v2 and v1, nacos for Node, nacos-client
// for Java 1.4, 2.x and 3.x, and a Spring Boot application that is reached through the gateway. None of them knows that it does
// not talk to Nacos.
//
// Every client is a driver behind one interface, so that one list of scenarios is the acceptance of all. Those of other
// languages are processes that take commands by lines on their standard input. What a client lacks, its driver says,
// and the scenario is skipped for it with that reason.
package interop
