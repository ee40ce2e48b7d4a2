// Command chaos kills the processes of a fleet at random, while calls run, and finds out whether anything that was
// acknowledged got lost, was done twice, or did not come back.
//
//	make chaos N=200 SEED=7
//
// The fleet is of real processes with a real RabbitMQ and the embedded store, Wrappers and media servers in network
// namespaces of their own, so that they can be cut off; where these are not permitted, nothing is cut off. Clients with
// real WebRTC connections are in three kinds of sessions: calls, whose users stay, talk all the time and watch every gap
// in what they receive; guests, who come to these calls and leave; and short sessions that do everything the API offers
// once and are closed.
//
// A plan, made from the seed, says who is killed, frozen or cut off, and for how long (plan.go, trouble.go). The same
// seed is the same plan; what the fleet is doing at that moment is not the same, because it depends on the machine.
// After each trouble the run waits until media flows to everybody and a join works (step.go), and writes down how long
// that took. What clients sent and received is checked against each other (ledger.go, view.go), and in the end against
// what is in MongoDB, RabbitMQ and the media servers (remains.go), which the operator's doctor examines too
// (examine.go). Everything that should not be is printed with its ids, times and logs, and the exit status is not 0.
package main
