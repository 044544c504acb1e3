/** A row that runs a program of Debian's: a script whose output is the row's checksum. */
export interface ProgramRow {
  readonly name: string;
  /** How often `command` runs at scale 1. */
  readonly turns: number;
  /** For BusyBox's shell, which prefers its own gzip and xz to Debian's; `$TURNS` is how often to do it, files lie in /data, /tmp can be written. */
  readonly command: string;
}

const TEXT = '/data/text';
const times = (command: string) => `i=0; while [ $i -lt $TURNS ]; do ${command}; i=$((i+1)); done`;
const python = (name: string, turns: number): ProgramRow => ({
  name: `python-${name}`,
  turns,
  command: `python3.11 -S /data/snippets.py ${name} $TURNS`,
});

/** A key, and an initial value; ciphers take as much of it as they need. */
const KEY = '000102030405060708090a0b0c0d0e0f';

/** Real programs, each a few seconds of a real processor at most. */
export const PROGRAM_ROWS: readonly ProgramRow[] = [
  python('nbody', 10),
  python('fannkuch', 1),
  python('objects', 12),
  python('words', 12),
  python('regex', 4),
  { name: 'python-start', turns: 10, command: times("python3.11 -S -c 'print(6 * 7)'") },
  {
    name: 'gzip',
    turns: 1,
    command: times(`/bin/gzip -n9c ${TEXT} > /tmp/z; /bin/gzip -dc /tmp/z | md5sum; md5sum < /tmp/z`),
  },
  {
    name: 'xz',
    turns: 1,
    command: times(`/usr/bin/xz -6c -T1 ${TEXT} > /tmp/z; /usr/bin/xz -dc /tmp/z | md5sum; md5sum < /tmp/z`),
  },
  {
    name: 'zstd',
    turns: 1,
    command: times(`zstd -12qc -T1 ${TEXT} > /tmp/z; zstd -dqc /tmp/z | md5sum; md5sum < /tmp/z`),
  },
  { name: 'sqlite3', turns: 1, command: times('sqlite3 :memory: < /data/table.sql') },
  { name: 'tcc', turns: 10, command: times('tcc -c /data/source.c -o /tmp/o; md5sum < /tmp/o') },
  {
    name: 'openssl',
    turns: 8,
    command: times(
      `openssl dgst -sha256 < ${TEXT}; openssl dgst -sha512 < ${TEXT}; ` +
        `for c in aes-128-cbc chacha20; do openssl enc -$c -K ${KEY} -iv ${KEY} -in ${TEXT} 2>/dev/null | md5sum; done`,
    ),
  },
  { name: 'shell-loop', turns: 100_000, command: times(':') },
  { name: 'processes', turns: 300, command: times('/bin/busybox true; echo $i | cat') },
];
