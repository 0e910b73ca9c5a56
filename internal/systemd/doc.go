// Package systemd speaks to the service manager that started the daemon: it
// tells it how the daemon stands (sd_notify(3)) and takes the sockets that it
// opened for it (sd_listen_fds(3)). Started by anything else, the daemon finds
// nobody to tell and no socket, and that is no fault.
//
// The environment is passed in, and nothing of it is handed on: the variables
// belong to one process.
package systemd
