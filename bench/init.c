// PID 1 of the benchmark guest: runs the workload's program, or a row's own script, row by row between lines that the host can time, then powers off.
// Arguments: the program's scale, then the names of the rows. Linux passes what stands after "--" on its command line.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(char *scale, char *row) {
  char script[256], thousandths[32];
  snprintf(script, sizeof script, "/rows/%s", row);
  snprintf(thousandths, sizeof thousandths, "%.0f", atof(scale) * 1000 < 1 ? 1 : atof(scale) * 1000);
  pid_t child = fork();
  if (child == 0) {
    if (access(script, X_OK) == 0) execl(script, script, thousandths, (char *)0);
    execl("/bench", "bench", scale, row, (char *)0);
    _exit(127);
  }
  int status;
  waitpid(child, &status, 0);
  if (status != 0) printf("FAILED %s status %d\n", row, status);
}

int main(int count, char **arguments) {
  mount("proc", "/proc", "proc", 0, 0);
  mount("devtmpfs", "/dev", "devtmpfs", 0, 0);
  puts("VITRINE-BENCH BEGIN");
  for (int i = 2; i < count; i++) {
    printf("VITRINE-BENCH ROW %s\n", arguments[i]);
    fflush(stdout);
    run(arguments[1], arguments[i]);
  }
  puts("VITRINE-BENCH END");
  fflush(stdout);
  reboot(RB_POWER_OFF);
}
