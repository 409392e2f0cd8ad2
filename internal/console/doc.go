// Package console is the page for people at / of the admin API: both roads hop by hop with what goes through them, what
// stands and what is wrong, and a box to explain a URL. It shows the rows that the API gives as JSON and knows nothing else.
//
// The page is one answer: style and script are in it, nothing is fetched from elsewhere, and it needs no script to be read.
// The script reads the traffic each second and the page itself every few seconds, and changes what changed. Who does
// not prefer HTML, as curl does not, gets the same as plain text.
package console
