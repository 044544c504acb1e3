import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('fake-vitrine.case.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'vitrine-run-'));
const inFolder = (name: string) => join(folder, name);

after(() => rmSync(folder, { recursive: true }));

/** A "kernel" that plays this guest. */
function kernel(guest: string): string {
  const path = inFolder(guest);
  writeFileSync(path, guest);
  return path;
}

function start(args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [program, ...args], { cwd: folder, timeout: 20_000, killSignal: 'SIGKILL' });
}

/** Waits for the end of a process and answers everything it left. */
async function ended(child: ChildProcessWithoutNullStreams) {
  const [[status], output, complaints] = await Promise.all([
    once(child, 'close') as Promise<[number | null]>,
    text(child.stdout),
    text(child.stderr),
  ]);
  return { status, output, complaints };
}

/** Runs a command line with some standard input to its end. */
function vitrine(args: readonly string[], input = '') {
  const child = start(args);
  child.stdin.end(input);
  return ended(child);
}

/** Tries until it succeeds: what another process makes appears after a while. */
async function eventually<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      return await attempt();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return attempt();
}

async function connect(path: string): Promise<Socket> {
  const socket = createConnection(path);
  await once(socket, 'connect');
  return socket;
}

/** Collects text from a socket until it contains `wanted`. */
async function readUntil(socket: Socket, wanted: string): Promise<string> {
  let received = '';
  while (!received.includes(wanted)) {
    const [chunk] = await once(socket, 'data');
    received += chunk;
  }
  return received;
}

describe('exit status of vitrine run', () => {
  const endings: [guest: string, status: number, message: RegExp][] = [
    ['powerOff', 0, /^$/],
    ['reset', 0, /^$/],
    ['tripleFault', 3, /^vitrine: the guest triple-faulted\n$/],
    ['panic', 3, /^vitrine: the guest panicked\n$/],
    ['debugExit', 67, /^$/],
    ['crash', 1, /^vitrine: the machine broke\n$/],
    ['crashLater', 1, /^vitrine: the machine broke later\n$/],
  ];
  for (const [guest, expected, message] of endings) {
    it(`is ${expected} after ${guest}`, async () => {
      const { status, complaints } = await vitrine(['run', kernel(guest)]);
      assert.equal(status, expected);
      assert.match(complaints, message);
    });
  }

  it('is 5 when the time has passed, and says what the guest does', async () => {
    const { status, complaints } = await vitrine(['run', kernel('spin'), '--timeout', '0.05']);
    assert.equal(status, 5);
    assert.equal(complaints, 'vitrine: --timeout: 0.05 s passed; the guest is running at 0x1234\n');
  });

  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`is ${expected} on ${signal}`, async () => {
      const child = start(['run', kernel('echo')]);
      child.stdin.write('a');
      await once(child.stdout, 'data');
      child.kill(signal);
      assert.equal((await ended(child)).status, expected);
    });
  }
});

it('a guest that writes to the last is ended without a complaint', async () => {
  const path = inFolder('chatter.txt');
  const disk = inFolder('chatter.img');
  writeFileSync(disk, new Uint8Array(1 << 20)); // whose closing takes a moment
  const child = start(['run', kernel('chatter'), '--serial', `file:${path}`, '--disk', `${disk},format=raw`]);
  await eventually(async () => assert.ok(readFileSync(path).length > 100));
  child.kill('SIGTERM');
  const { status, complaints } = await ended(child);
  assert.deepEqual([status, complaints], [143, '']);
});

describe('bad input to vitrine run', () => {
  mkdirSync(inFolder('folder'));
  writeFileSync(inFolder('bad'), 'not a guest');
  const boot = ['--kernel', kernel('powerOff')];
  const bad: [args: string[], status: number, message: string][] = [
    [['--memory', '1'], 2, '--memory: found "1", expected at least 8M'],
    [['--memory', '99T'], 2, '--memory: found "99T", expected at most 15G, the most a machine can have'],
    [['--memory', 'lots'], 2, '--memory: found "lots", expected a size such as 512M or 2G'],
    [['--memory', '-5'], 2, '--memory: found "-5", expected a size such as 512M or 2G'],
    [['--memory', '8193K'], 2, '--memory: found "8193K", expected a multiple of 4K'],
    [['--sound', 'gus'], 2, '--sound: found "gus", expected sb16 or ac97 or none'],
    [['--audio', 'mp3:x'], 2, '--audio: found "mp3:x", expected wav:FILE, web or none'],
    [['--audio', 'web'], 2, '--audio: found "web", expected --display web beside it'],
    [['--vga', 'cga'], 2, '--vga: found "cga", expected std or virtio'],
    [['--accel', 'kvm'], 2, '--accel: found "kvm", expected jit or interp'],
    [['--clock', 'sun'], 2, '--clock: found "sun", expected host or virtual'],
    [['--seed', 'x'], 2, '--seed: found "x", expected a number from 0 to 18446744073709551615'],
    [['--timeout', '0'], 2, '--timeout: found "0", expected a number of seconds above 0'],
    [['--debug-exit', '0x10000'], 2, '--debug-exit: found "0x10000", expected a number from 0 to 65535'],
    [['--serial', 'tty'], 2, '--serial: found "tty", expected stdio, file:FILE, unix:PATH or none'],
    [
      ['--serial', 'stdio', '--serial', 'stdio'],
      2,
      '--serial: found stdio twice, expected stdio for one serial line only',
    ],
    [['--serial', 'none', '--serial', 'none', '--serial', 'none'], 2, '--serial: found 3 of them, expected at most 2'],
    [['--qmp', 'nowhere'], 2, '--qmp: found "nowhere", expected unix:PATH or tcp:HOST:PORT'],
    [['--net', 'user,bootfile=a'], 2, '--net: found "bootfile=a", expected tftp=FOLDER beside it, or a URL'],
    [['--net', 'user,tftp=nothing'], 4, '--net: found "nothing", no such file, expected a folder of files to boot'],
    [['--vsock', 'v,cid=1'], 2, '--vsock: found "cid=1", expected cid= and a number from 3 to 4294967294'],
    [['--bogus'], 2, '--bogus: found an unknown option, expected one that vitrine run --help lists'],
    [
      ['--rtc', 'a'],
      2,
      '--rtc: found an option this version does not support, expected one that vitrine run --help lists',
    ],
    [['--memory'], 2, '--memory: found no value, expected --memory <SIZE>'],
    [
      ['image'],
      2,
      `--kernel: found ${JSON.stringify(kernel('powerOff'))}, expected no --kernel beside the image "image"`,
    ],
    [['--firmware-vars', 'bad'], 2, '--firmware-vars: found "bad", expected --firmware FILE beside it'],
    [['--copy'], 2, '--copy: found it alone, expected --snapshot FILE beside it'],
    [['--initrd', 'nothing'], 4, '--initrd: found "nothing", no such file, expected a readable file'],
    [['--initrd', 'folder'], 1, '--initrd: found "folder", a directory, expected a readable file'],
  ];
  for (const [args, expected, message] of bad) {
    it(`${args.join(' ')} gives one clear line and status ${expected}`, async () => {
      const { status, output, complaints } = await vitrine(['run', ...boot, ...args]);
      assert.equal(complaints, `vitrine: ${message}\n`);
      assert.equal(status, expected);
      assert.equal(output, '');
    });
  }

  const others: [args: string[], status: number, message: RegExp][] = [
    [[], 2, /^vitrine: command: found none, expected run or image; see vitrine --help\n$/],
    [['walk'], 2, /^vitrine: command: found "walk", expected run or image\n$/],
    [['run', 'a', 'b'], 2, /^vitrine: IMAGE: found more than one, expected at most one\n$/],
    [['run', 'nothing'], 4, /^vitrine: IMAGE: found "nothing", no such file, expected a readable file\n$/],
    [['run', 'bad'], 1, /^vitrine: --kernel: the kernel is no guest\n$/],
    [['run', '--initrd', 'bad'], 2, /^vitrine: --initrd: found "bad", expected --kernel FILE beside it\n$/],
    [
      ['run', kernel('spin'), '--serial', 'file:/nowhere/f'],
      1,
      /^vitrine: --serial: found "file:\/nowhere\/f", ENOENT.*\n$/,
    ],
    [
      ['run', kernel('spin'), '--qmp', 'unix:/nowhere/q'],
      1,
      /^vitrine: --qmp: found .*nowhere.*, expected an address to listen on\n$/,
    ],
    [
      ['run', kernel('spin'), '--vsock', '/nowhere/v'],
      1,
      /^vitrine: --vsock: found "\/nowhere\/v", .*, expected a path to listen on\n$/,
    ],
  ];
  for (const [args, expected, message] of others) {
    it(`"vitrine ${args.join(' ')}" gives one clear line and status ${expected}`, async () => {
      const { status, complaints } = await vitrine(args);
      assert.match(complaints, message);
      assert.equal(status, expected);
    });
  }

  it('shows a stack trace only under --verbose', async () => {
    const { complaints } = await vitrine(['run', kernel('crash'), '--verbose']);
    assert.match(complaints, /^vitrine: the machine broke\n(.*\n)+ {4}at /m);
  });
});

describe('options of vitrine run', () => {
  it('reach the machine', async () => {
    const args = ['--memory', '1.5G', '--append', 'a b', '--clock', 'virtual', '--seed', '0x10', '--no-reboot'];
    const more = ['--debug-exit', '0xf4', '--initrd', kernel('reset'), '--net', 'user,model=virtio'];
    const share = ['--share', `${folder}:src:ro`];
    const { output } = await vitrine(['run', '--kernel', kernel('config'), ...args, ...more, ...share]);
    assert.deepEqual(JSON.parse(output), {
      initrd: 5,
      commandLine: 'a b',
      memoryBytes: 1.5 * 2 ** 30,
      cpuCount: 1,
      clock: 'virtual',
      seed: '16n',
      noReboot: true,
      debugExitPort: 0xf4,
      networks: [{ model: 'virtio', mac: '52:54:0:12:34:56' }],
      shares: [{ tag: 'src', readOnly: true }],
      statistics: false,
      vga: 'std',
    });
  });

  it('have defaults', async () => {
    const { output } = await vitrine(['run', kernel('config')]);
    const { seed, ...rest } = JSON.parse(output);
    assert.match(seed, /^\d+n$/);
    assert.deepEqual(rest, {
      commandLine: '',
      memoryBytes: 512 * 2 ** 20,
      cpuCount: 1,
      clock: 'host',
      noReboot: false,
      networks: [{ model: 'e1000', mac: '52:54:0:12:34:56' }],
      shares: [],
      statistics: false,
      vga: 'std',
    });
  });

  it('print counters with --stats', async () => {
    const { complaints } = await vitrine(['run', kernel('powerOff'), '--stats']);
    assert.match(
      complaints,
      /start-up seconds .*\n.*instructions 1000000\n.*guest seconds 2.000\n.*host seconds .*\n.*MIPS .*\n/,
    );
  });

  it('are explained by --help, with examples', async () => {
    const { status, output } = await vitrine(['run', '--help']);
    assert.equal(status, 0);
    for (const word of ['--memory <SIZE>', '--qmp <ADDRESS>', 'Examples:', 'Ctrl-]'])
      assert.ok(output.includes(word), word);
  });
});

describe('serial lines of vitrine run', () => {
  it('take standard input for the first line and outlive its end', async () => {
    const child = start(['run', kernel('echo')]);
    child.stdin.end('hello');
    const output = (await once(child.stdout, 'data')).toString();
    const outcome = await Promise.race([
      once(child, 'exit'),
      new Promise((resolve) => setTimeout(resolve, 200, 'alive')),
    ]);
    child.kill('SIGTERM');
    assert.equal(output, 'HELLO');
    assert.equal(outcome, 'alive');
    assert.equal((await ended(child)).status, 143);
  });

  it('lose no byte when the guest takes its time', async () => {
    const { output } = await vitrine(['run', kernel('slowCount')], `${'x'.repeat(300_000)}.`);
    assert.equal(output, '300001');
  });

  it('write to files', async () => {
    const path = inFolder('second');
    await vitrine(['run', kernel('config'), '--serial', 'stdio', '--serial', `file:${path}`]);
    assert.equal(readFileSync(path, 'utf8'), 'second line');
  });

  it('talk over a socket, and remove it at the end', async () => {
    const path = inFolder('serial.sock');
    const child = start(['run', kernel('echo'), '--serial', `unix:${path}`]);
    const finished = ended(child);
    const socket = await eventually(() => connect(path));
    socket.write('abc');
    assert.equal(await readUntil(socket, 'ABC'), 'ABC');
    socket.write('.');
    assert.equal((await finished).status, 0);
    await assert.rejects(connect(path), { code: 'ENOENT' });
  });

  it('replace a socket that nobody listens on any more', async () => {
    const path = inFolder('stale.sock');
    const killed = start(['run', kernel('spin'), '--serial', `unix:${path}`]);
    (await eventually(() => connect(path))).destroy();
    killed.kill('SIGKILL');
    await ended(killed);
    const child = start(['run', kernel('echo'), '--serial', `unix:${path}`]);
    const finished = ended(child);
    const socket = await eventually(() => connect(path));
    socket.write('.');
    assert.equal((await finished).status, 0);
  });

  it('end the machine when nobody reads standard output any more', async () => {
    const child = start(['run', kernel('echo')]);
    child.stdout.destroy();
    child.stdin.write('hello');
    const [status] = await once(child, 'exit');
    assert.equal(status, 1);
  });
});

describe('--qmp of vitrine run', () => {
  it('controls and ends the machine', async () => {
    const path = inFolder('qmp.sock');
    const child = start(['run', kernel('spin'), '--qmp', `unix:${path},server=on,wait=off`]);
    const finished = ended(child);
    const socket = await eventually(() => connect(path));
    await readUntil(socket, '"QMP"');
    for (const [command, reply] of [
      ['qmp_capabilities', '{"return":{}}'],
      ['stop', '"event":"STOP"'],
      ['query-status', '"status":"paused"'],
      ['cont', '"event":"RESUME"'],
      ['quit', '"reason":"host-qmp-quit"'],
    ] as const) {
      socket.write(`{"execute":"${command}"}`);
      await readUntil(socket, reply);
    }
    assert.equal((await finished).status, 0);
  });
});

describe('a terminal under vitrine run', () => {
  const noTerminals = spawnSync('script', ['--version']).error !== undefined;
  const skip = noTerminals && 'no script(1) on this host';

  /** Runs a guest on a terminal of its own, types once it is ready, and answers what the terminal showed.
   * The terminal's settings are shown before and after. */
  async function onTerminal(guest: string, keys: string): Promise<string> {
    const command = `'${process.execPath}' '${program}' run '${kernel(guest)}'`;
    const shell = `stty -g; ${command}; echo "status=$?"; stty -g`;
    const child = spawn('script', ['-qfec', shell, '/dev/null'], { timeout: 20_000, killSignal: 'SIGKILL' });
    let shown = '';
    child.stdout.on('data', (chunk) => {
      if (!shown.includes('ready') && `${shown}${chunk}`.includes('ready')) child.stdin.write(keys);
      shown += chunk;
    });
    await once(child, 'close');
    return shown;
  }

  const settings = (shown: string) => shown.match(/^[0-9a-f]+(:[0-9a-f]+)+/gm);

  const ways: [way: string, guest: string, keys: string, status: number][] = [
    ['Ctrl-]', 'greetAndEcho', 'a\x03b\x1dc', 0],
    ['a power-off by the guest', 'greetAndEcho', '.', 0],
    ['a failure', 'crashLater', '', 1],
  ];
  for (const [way, guest, keys, status] of ways) {
    it(`is put back after ${way}`, { skip }, async () => {
      const shown = await onTerminal(guest, keys);
      const [before, afterwards] = settings(shown) ?? [];
      assert.ok(before);
      assert.equal(afterwards, before);
      assert.match(shown, new RegExp(`status=${status}\\b`));
    });
  }

  it('passes Ctrl-C to the guest and nothing after Ctrl-]', { skip }, async () => {
    const shown = await onTerminal('greetAndEcho', 'a\x03b\x1dc');
    assert.ok(shown.includes('A\x03B'), shown);
    assert.doesNotMatch(shown, /B.?C/);
  });
});
