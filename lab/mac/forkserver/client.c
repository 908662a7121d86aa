/* The interpreter in a stand-in's first line: `#!/System/Lab/stand-in MODULE`.
 *
 * It asks the machine's fork server (server.py) to run the stand-in in its place: it hands over its
 * standard files and its folder, and ends as the child there ended. Arguments, environment and
 * identity it does not tell: the server asks the kernel for them.
 *
 * Python runs the script itself where there is no server yet, where the server does not take the
 * caller, and at a terminal, whose control only a process of the terminal's own session has.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SERVER
#define SERVER "/private/var/run/lab-forkserver.sock"
#define PYTHON "/System/Lab/python/bin/python3"
#endif
#define RUN_IT_YOURSELF (-1)
#define FILES 4 /* standard input, output and error, and the working folder */

static int server;

/* The child's SIGINT is this one's: Python turns it into KeyboardInterrupt. */
static void forward(int number)
{
	char byte = (char)number;
	ssize_t sent = write(server, &byte, 1);
	(void)sent;
}

static int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SERVER};
	struct ucred peer;
	socklen_t size = sizeof peer;

	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server < 0 || connect(server, (struct sockaddr *)&address, sizeof address) != 0)
		return -1;
	/* Whoever else sits there gets no files of ours. */
	if (getsockopt(server, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != 0)
		return -1;
	return 0;
}

static int hand_over(int folder)
{
	int files[FILES] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, folder};
	union {
		char space[CMSG_SPACE(sizeof files)];
		struct cmsghdr align;
	} control = {{0}};
	char byte = 0;
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space,
				 .msg_controllen = sizeof control.space};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof files);
	memcpy(CMSG_DATA(header), files, sizeof files);
	return sendmsg(server, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* Returns the wait status of the child, or RUN_IT_YOURSELF. */
static int ask(void)
{
	struct sigaction interrupt, ours = {.sa_handler = forward, .sa_flags = SA_RESTART};
	int status = RUN_IT_YOURSELF, folder;
	ssize_t got;

	/* A closed standard file would be the socket's number. */
	for (int number = 0; number <= STDERR_FILENO; number++)
		if (fcntl(number, F_GETFD) < 0)
			return RUN_IT_YOURSELF;
	if (isatty(STDIN_FILENO) || dial() != 0)
		return RUN_IT_YOURSELF;
	folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || hand_over(folder) != 0)
		return RUN_IT_YOURSELF;
	sigaction(SIGINT, NULL, &interrupt);
	if (interrupt.sa_handler == SIG_DFL)
		sigaction(SIGINT, &ours, NULL);
	got = recv(server, &status, sizeof status, MSG_WAITALL);
	sigaction(SIGINT, &interrupt, NULL);
	if (got == 0)
		status = SIGKILL; /* the server died, and with it the child, in the midst of it */
	else if (got != sizeof status)
		status = RUN_IT_YOURSELF; /* it ended before it took the call */
	return status;
}

static int end_like(int status)
{
	if (WIFSIGNALED(status)) {
		struct rlimit none = {0, 0};
		sigset_t only;

		setrlimit(RLIMIT_CORE, &none);
		sigemptyset(&only);
		sigaddset(&only, WTERMSIG(status));
		signal(WTERMSIG(status), SIG_DFL);
		sigprocmask(SIG_UNBLOCK, &only, NULL);
		raise(WTERMSIG(status));
	}
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 3) {
		fputs("usage: stand-in MODULE SCRIPT [ARGUMENT...]\n", stderr);
		return 64;
	}
	status = ask();
	if (status != RUN_IT_YOURSELF)
		return end_like(status);
	argv[0] = PYTHON;
	argv[1] = "-IS";
	execv(PYTHON, argv);
	perror(PYTHON);
	return 127;
}
