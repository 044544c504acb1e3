/** What stands before the report of a test module on the results' stream, and behind it. */
export const REPORT = { begin: '@@report', end: '@@end' } as const;

/**
 * The shell script that runs Python's own tests, in the guest and on the host alike: `suite RESULTS MODULE…`. It writes the
 * report of each module in JUnit's XML to the end of RESULTS.
 */
export function makeSuiteScript(): string {
  return `#!/bin/busybox sh
export HOME=/root PATH=/usr/bin:/bin LANG=C.UTF-8 TMPDIR=/tmp
cd /tmp
results=$1
shift
for module; do
  /usr/bin/python3.11 -m test --junit-xml /tmp/report.xml $module
  echo "status $? of $module"
  { echo "${REPORT.begin} $module"; cat /tmp/report.xml; echo; echo "${REPORT.end}"; } >>$results
  rm -f /tmp/report.xml
done
`;
}

/** The commands of a guest's init behind the mounting of its file systems: runs the modules, and powers off. */
export function guestInit(modules: readonly string[]): string {
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
stty raw </dev/ttyS1
ifconfig lo 127.0.0.1 up
/suite /dev/ttyS1 ${modules.join(' ')}
poweroff -f
`;
}
