/* The lab's own clock, in every program of a machine that links to libc: /etc/ld.so.preload loads it.
 *
 * A file that all of them map says how far the lab's time is from the machine's, and since when: a
 * row for each time that the clock was set. So a jump is seen by everybody at once, at the price of
 * one addition. Everything that libc says of the wall clock is in the lab's time: the clock, the times
 * of files, and what is waited for until a moment. What measures how long something takes is left
 * alone (CLOCK_MONOTONIC); CLOCK_MONOTONIC_RAW counts a Mac's sleep, as it does there.
 *
 * The kernel notes the times of files by the machine's clock. What it noted is shown by the row of that
 * moment, so a file grows older by a jump, as on a Mac. A time that a program gives a file is stored as
 * the moment at which the lab's clock showed it; where it never did, far in the future (FAR), so that
 * it stays what it is whatever comes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define FILE_OF_JUMPS "/System/Lab/clock/jumps"
#define SECOND INT64_C(1000000000)
#define FAR (INT64_C(1) << 32) /* seconds: the year 2106, which the machine's clock never shows */
#define NO_MONOTONIC 500000000 /* seconds: nothing waits for this after a boot, so it is a date */
#define PUBLIC __attribute__((visibility("default")))

/* lab/clock.py writes it: rows first, then their number. */
struct jumps {
	uint64_t count;
	struct {
		int64_t at, offset, asleep; /* ns: the machine's time, what to add to it, sleep so far */
	} row[];
};

static const struct jumps nothing, *jumps;

static const struct jumps *known(void)
{
	const struct jumps *found = __atomic_load_n(&jumps, __ATOMIC_ACQUIRE);
	if (!found) {
		int before = errno;
		const char *name = secure_getenv("LAB_CLOCK");
		int file = open(name ? name : FILE_OF_JUMPS, O_RDONLY | O_CLOEXEC);
		struct stat facts;
		found = &nothing;
		if (file >= 0 && syscall(SYS_fstat, file, &facts) == 0 && facts.st_size > 0) {
			void *map = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_SHARED, file, 0);
			found = map == MAP_FAILED ? &nothing : map;
		}
		if (file >= 0)
			close(file);
		__atomic_store_n(&jumps, found, __ATOMIC_RELEASE);
		errno = before;
	}
	return found;
}

__attribute__((constructor)) static void start(void)
{
	known();
}

static uint64_t rows(void)
{
	return __atomic_load_n(&known()->count, __ATOMIC_ACQUIRE);
}

static int64_t offset(void)
{
	uint64_t count = rows();
	return count ? jumps->row[count - 1].offset : 0;
}

static int64_t asleep(void)
{
	uint64_t count = rows();
	return count ? jumps->row[count - 1].asleep : 0;
}

static void add(struct timespec *time, int64_t ns)
{
	int64_t sum = time->tv_nsec + ns % SECOND;
	time->tv_sec += ns / SECOND + (sum >= SECOND) - (sum < 0);
	time->tv_nsec = (sum + SECOND) % SECOND;
}

/* A file's time as the kernel has it, and how it is shown. Not in nanoseconds, which end in 2262. */
static struct timespec shown(struct timespec time)
{
	if (time.tv_sec >= FAR) {
		time.tv_sec -= FAR;
		return time;
	}
	int64_t moment = time.tv_sec * SECOND + time.tv_nsec;
	for (uint64_t i = rows(); i-- > 0;)
		if (moment >= jumps->row[i].at) {
			add(&time, jumps->row[i].offset);
			break;
		}
	return time;
}

/* A time that a program gives a file, and what the kernel is told. */
static struct timespec stored(struct timespec time)
{
	uint64_t count = rows();
	struct timespec now;
	if (!count || time.tv_nsec == UTIME_NOW || time.tv_nsec == UTIME_OMIT)
		return time;
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	int64_t end = now.tv_sec * SECOND + now.tv_nsec;
	for (uint64_t i = count + 1; i-- > 0;) {
		struct timespec then = time;
		add(&then, i ? -jumps->row[i - 1].offset : 0);
		if (then.tv_sec < FAR) {
			int64_t moment = then.tv_sec * SECOND + then.tv_nsec;
			if (moment <= end && (!i || moment >= jumps->row[i - 1].at))
				return then;
		}
		end = i ? jumps->row[i - 1].at - 1 : 0;
	}
	time.tv_sec += FAR;
	return time;
}

/* The function that this one stands before; nobody calls so early that there is none. */
#define REAL(result, name, ...) \
	static result (*real)(__VA_ARGS__); \
	if (!real) \
		*(void **)&real = dlsym(RTLD_NEXT, name)

/* ---- the clock ---- */

static int shifted(clockid_t clock, struct timespec *now)
{
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		add(now, offset());
	else if (clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME)
		add(now, asleep());
	return 0;
}

PUBLIC int clock_gettime(clockid_t clock, struct timespec *now)
{
	REAL(int, "clock_gettime", clockid_t, struct timespec *);
	int result = real(clock, now);
	return result ? result : shifted(clock, now);
}

PUBLIC int timespec_get(struct timespec *now, int base)
{
	return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

PUBLIC int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec found;
	if (zone)
		memset(zone, 0, sizeof(struct timezone));
	int result = clock_gettime(CLOCK_REALTIME, &found);
	now->tv_sec = found.tv_sec;
	now->tv_usec = found.tv_nsec / 1000;
	return result;
}

PUBLIC time_t time(time_t *now)
{
	struct timespec found;
	clock_gettime(CLOCK_REALTIME_COARSE, &found);
	if (now)
		*now = found.tv_sec;
	return found.tv_sec;
}

/* ---- waiting until a moment of the wall clock: as long as it is away now ---- */

static const struct timespec *machines(const struct timespec *until, struct timespec *place)
{
	if (!until || until->tv_sec < NO_MONOTONIC)
		return until;
	*place = *until;
	add(place, -offset());
	return place;
}

PUBLIC int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
			   struct timespec *left)
{
	REAL(int, "clock_nanosleep", clockid_t, int, const struct timespec *, struct timespec *);
	struct timespec place;
	int date = clock == CLOCK_REALTIME && flags & TIMER_ABSTIME;
	return real(clock, flags, date ? machines(time, &place) : time, left);
}

PUBLIC int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
	REAL(int, "sem_timedwait", sem_t *, const struct timespec *);
	struct timespec place;
	return real(semaphore, machines(until, &place));
}

PUBLIC int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
				  const struct timespec *restrict until)
{
	static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	struct timespec place;
	/* On x86-64 there is an older one of this name, which plain dlsym may find. */
	if (!real)
		*(void **)&real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
	return real(condition, mutex, machines(until, &place));
}

PUBLIC int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex,
				   const struct timespec *restrict until)
{
	REAL(int, "pthread_mutex_timedlock", pthread_mutex_t *, const struct timespec *);
	struct timespec place;
	return real(mutex, machines(until, &place));
}

PUBLIC int timerfd_settime(int file, int flags, const struct itimerspec *timer,
			   struct itimerspec *before)
{
	REAL(int, "timerfd_settime", int, int, const struct itimerspec *, struct itimerspec *);
	struct itimerspec changed = *timer;
	if (flags & TFD_TIMER_ABSTIME && timer->it_value.tv_sec >= NO_MONOTONIC)
		add(&changed.it_value, -offset());
	return real(file, flags, &changed, before);
}

/* ---- the times of files, as they are shown ---- */

static int aged(int result, struct stat *facts)
{
	if (result == 0) {
		facts->st_atim = shown(facts->st_atim);
		facts->st_mtim = shown(facts->st_mtim);
		facts->st_ctim = shown(facts->st_ctim);
	}
	return result;
}

static void show(struct statx_timestamp *time)
{
	struct timespec found = shown((struct timespec){time->tv_sec, time->tv_nsec});
	time->tv_sec = found.tv_sec;
	time->tv_nsec = (uint32_t)found.tv_nsec;
}

static int aged_x(int result, struct statx *facts)
{
	if (result == 0) {
		show(&facts->stx_atime);
		show(&facts->stx_mtime);
		show(&facts->stx_ctime);
		if (facts->stx_mask & STATX_BTIME)
			show(&facts->stx_btime);
	}
	return result;
}

/* By other names in C: on these machines a `struct stat64` is a `struct stat`, which C does not know,
 * and programs for older libcs call the __xstat ones. */
#define NAMED(name, number, result, arguments, ...) \
	PUBLIC result f##number arguments __asm__(name); \
	result f##number arguments \
	{ \
		__VA_ARGS__ \
	}
#define STAT(name, number) \
	NAMED(name, number, int, (const char *path, struct stat *facts), \
	      REAL(int, name, const char *, struct stat *); return aged(real(path, facts), facts);)
#define FSTAT(name, number) \
	NAMED(name, number, int, (int file, struct stat *facts), \
	      REAL(int, name, int, struct stat *); return aged(real(file, facts), facts);)
#define FSTATAT(name, number) \
	NAMED(name, number, int, (int folder, const char *path, struct stat *facts, int flags), \
	      REAL(int, name, int, const char *, struct stat *, int); \
	      return aged(real(folder, path, facts, flags), facts);)
#define XSTAT(name, number) \
	NAMED(name, number, int, (int version, const char *path, struct stat *facts), \
	      REAL(int, name, int, const char *, struct stat *); \
	      return aged(real(version, path, facts), facts);)
#define FXSTAT(name, number) \
	NAMED(name, number, int, (int version, int file, struct stat *facts), \
	      REAL(int, name, int, int, struct stat *); return aged(real(version, file, facts), facts);)
#define FXSTATAT(name, number) \
	NAMED(name, number, int, \
	      (int version, int folder, const char *path, struct stat *facts, int flags), \
	      REAL(int, name, int, int, const char *, struct stat *, int); \
	      return aged(real(version, folder, path, facts, flags), facts);)

STAT("stat", 1)
STAT("stat64", 2)
STAT("lstat", 3)
STAT("lstat64", 4)
FSTAT("fstat", 5)
FSTAT("fstat64", 6)
FSTATAT("fstatat", 7)
FSTATAT("fstatat64", 8)
XSTAT("__xstat", 9)
XSTAT("__xstat64", 10)
XSTAT("__lxstat", 11)
XSTAT("__lxstat64", 12)
FXSTAT("__fxstat", 13)
FXSTAT("__fxstat64", 14)
FXSTATAT("__fxstatat", 15)
FXSTATAT("__fxstatat64", 16)

PUBLIC int statx(int folder, const char *restrict path, int flags, unsigned int mask,
		 struct statx *restrict facts)
{
	REAL(int, "statx", int, const char *, int, unsigned int, struct statx *);
	return aged_x(real(folder, path, flags, mask, facts), facts);
}

/* Node asks the kernel for statx by its number; the rest passes. */
PUBLIC long syscall(long number, ...)
{
	REAL(long, "syscall", long, ...);
	long words[6];
	va_list rest;
	va_start(rest, number);
	for (int i = 0; i < 6; i++)
		words[i] = va_arg(rest, long);
	va_end(rest);
	long result = real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
	if (number == SYS_statx)
		aged_x((int)result, (struct statx *)words[4]);
	return result;
}

/* ---- the times of files, as programs set them ---- */

PUBLIC int utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
	REAL(int, "utimensat", int, const char *, const struct timespec *, int);
	if (!times)
		return real(folder, path, NULL, flags);
	struct timespec changed[2] = {stored(times[0]), stored(times[1])};
	return real(folder, path, changed, flags);
}

PUBLIC int futimens(int file, const struct timespec times[2])
{
	REAL(int, "futimens", int, const struct timespec *);
	if (!times)
		return real(file, NULL);
	struct timespec changed[2] = {stored(times[0]), stored(times[1])};
	return real(file, changed);
}

static const struct timespec *precise(const struct timeval from[2], struct timespec to[2])
{
	for (int i = 0; from && i < 2; i++)
		to[i] = (struct timespec){from[i].tv_sec, from[i].tv_usec * 1000};
	return from ? to : NULL;
}

PUBLIC int utimes(const char *path, const struct timeval times[2])
{
	struct timespec place[2];
	return utimensat(AT_FDCWD, path, precise(times, place), 0);
}

PUBLIC int lutimes(const char *path, const struct timeval times[2])
{
	struct timespec place[2];
	return utimensat(AT_FDCWD, path, precise(times, place), AT_SYMLINK_NOFOLLOW);
}

PUBLIC int futimes(int file, const struct timeval times[2])
{
	struct timespec place[2];
	return futimens(file, precise(times, place));
}

PUBLIC int futimesat(int folder, const char *path, const struct timeval times[2])
{
	struct timespec place[2];
	return utimensat(folder, path, precise(times, place), 0);
}

PUBLIC int utime(const char *path, const struct utimbuf *times)
{
	struct timespec place[2];
	if (times) {
		place[0] = (struct timespec){times->actime, 0};
		place[1] = (struct timespec){times->modtime, 0};
	}
	return utimensat(AT_FDCWD, path, times ? place : NULL, 0);
}
