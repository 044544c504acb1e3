/* Reads a disk past the guest's cache and says how fast: disk DEVICE BYTES_A_READ READS sequential|random */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    size_t length = strtoul(argv[2], 0, 0);
    unsigned long reads = strtoul(argv[3], 0, 0), i;
    int random_order = !strcmp(argv[4], "random");
    uint64_t size, state = 1, sum = 0;
    uint64_t *buffer;
    int disk = open(argv[1], O_RDONLY | O_DIRECT);
    double start;

    if (disk < 0 || ioctl(disk, BLKGETSIZE64, &size) || posix_memalign((void **)&buffer, 4096, length))
        return perror(argv[1]), 1;
    start = seconds();
    for (i = 0; i < reads; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t place = (random_order ? state >> 20 : i) % (size / length) * length;
        if (pread(disk, buffer, length, place) != (ssize_t)length)
            return perror("pread"), 1;
        sum += buffer[0] ^ buffer[length / 8 - 1];
    }
    printf("DISK %s %zu %s %lu %.4f %016llx\n", argv[1], length, argv[4], reads, seconds() - start,
           (unsigned long long)sum);
    return 0;
}
