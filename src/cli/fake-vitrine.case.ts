// The command line around a machine that plays a guest: the text of its "kernel" says what the guest does.

import { readBootFile } from '../vm/boot-file.ts';
import type { Shutdown, VmConfig, VmEvent, VmStatus } from '../vm/index.ts';
import { CliError, STATUS } from './errors.ts';
import type { Machine } from './machine.ts';
import { runProcess } from './process.ts';
import { run } from './run.ts';

const shutdown = (reason: Shutdown['reason'], code = 0): Shutdown => ({ kind: 'shutdown', reason, code });
const forever = () => new Promise<never>(() => {});

/** Sends back what it hears in capitals; `.` powers it off. */
function echo({ serial: [console] }: VmConfig): Promise<Shutdown> {
  return new Promise((resolve) => {
    console?.onByte((byte) => {
      if (byte === 0x2e) resolve(shutdown('powerOff'));
      else for (const reply of Buffer.from(String.fromCharCode(byte).toUpperCase())) console.send(reply);
      return true;
    });
  });
}

/** As {@link echo}, and says when it begins to listen. */
function greetAndEcho(config: VmConfig): Promise<Shutdown> {
  for (const byte of Buffer.from('ready')) config.serial[0]?.send(byte);
  return echo(config);
}

/** Counts what it hears, with room for a few bytes at a time; tells the count at the first `.`. */
function slowCount({ serial: [console] }: VmConfig): Promise<Shutdown> {
  let room = 0;
  let count = 0;
  setInterval(() => {
    room = 16_384;
  }, 1);
  return new Promise((resolve) => {
    console?.onByte((byte) => {
      if (room === 0) return false;
      room--;
      count++;
      if (byte !== 0x2e) return true;
      for (const digit of Buffer.from(`${count}`)) console.send(digit);
      resolve(shutdown('powerOff'));
      return true;
    });
  });
}

/** Writes without end while it runs. */
function chatter({ serial: [console] }: VmConfig, runs: () => boolean): Promise<Shutdown> {
  const write = () => {
    if (runs()) console?.send(0x78);
    setImmediate(write);
  };
  write();
  return forever();
}

const GUESTS: Readonly<Record<string, (config: VmConfig, runs: () => boolean) => Promise<Shutdown>>> = {
  echo,
  chatter,
  greetAndEcho,
  slowCount,
  powerOff: async () => shutdown('powerOff'),
  reset: async () => shutdown('reset'),
  tripleFault: async () => shutdown('tripleFault'),
  panic: async () => shutdown('panic'),
  debugExit: async () => shutdown('debugExit', 0x121),
  spin: forever,
  crash: async () => {
    throw new Error('the machine\nbroke');
  },
  crashLater: () => {
    setTimeout(() => {
      throw new Error('the machine broke later');
    }, 10);
    return forever();
  },
  config: async ({
    serial,
    kernel: _kernel,
    initrd: given,
    host: _host,
    handlers: _handlers,
    unpacked: _unpacked,
    networks,
    shares,
    ...plain
  }) => {
    const initrd = given && (await readBootFile(given));
    const cards = {
      networks: networks?.map(({ model, mac }) => ({
        model,
        mac: Array.from(mac, (byte) => byte.toString(16)).join(':'),
      })),
      shares: shares?.map(({ tag, readOnly }) => ({ tag, readOnly })),
    };
    const text = JSON.stringify({ ...plain, ...cards, initrd: initrd?.length }, (_key, value) =>
      typeof value === 'bigint' ? `${value}n` : value,
    );
    for (const byte of Buffer.from(text)) serial[0]?.send(byte);
    for (const byte of Buffer.from('second line')) serial[1]?.send(byte);
    return shutdown('powerOff');
  },
};

async function makeFake(config: VmConfig): Promise<Machine> {
  const play = GUESTS[new TextDecoder().decode(config.kernel && (await readBootFile(config.kernel)))];
  if (play === undefined) throw new CliError(STATUS.failed, '--kernel: the kernel is no guest');
  let status: VmStatus = 'running';
  const listeners: ((event: VmEvent) => void)[] = [];
  const change = (to: VmStatus, kind: 'stop' | 'resume') => {
    status = to;
    for (const listen of listeners) listen({ kind });
  };
  return {
    get status() {
      return status;
    },
    cpuCount: 1,
    identity: { uuid: new Uint8Array(16), macs: (config.networks ?? []).map(({ mac }) => mac) },
    debugger: forever,
    stats: { instructions: 1_000_000n, guestNanos: 2_000_000_000n },
    describe: () => `${status} at 0x1234`,
    run: () => play(config, () => status === 'running'),
    pause: async () => change('paused', 'stop'),
    resume: async () => change('running', 'resume'),
    reset: async () => {},
    pressPowerButton: () => {},
    console: () => Promise.reject(new Error('this machine has no screen')),
    onEvent(listen) {
      listeners.push(listen);
      return () => {};
    },
  };
}

await runProcess({
  run: (image, options) => run(image, options, async () => makeFake),
  image: async () => STATUS.ok,
  named: async () => STATUS.ok,
});
