// Package fastcgi makes a connection to a FastCGI responder, such as PHP-FPM, one of HTTP/1.1: what a client of HTTP writes to it
// becomes a request of FastCGI, and what the responder answers is read as an answer of HTTP. One connection carries one request, as
// responders expect it of those who do not ask for more, and its answer says so by "Connection: close".
//
// The protocol is that of the FastCGI specification 1.0; the parameters are those of CGI (RFC 3875, section 4.1) with what nginx adds.
package fastcgi
