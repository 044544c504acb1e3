/**
 * Decoder lengths and disassembler text against GNU objdump, over the machine's own binaries and over random bytes.
 * VITRINE_OBJDUMP_FILES names more ELF files, separated by colons, which are compared whole.
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { disassemble } from '../src/isa/disassemble.ts';
import type { Mode } from '../src/isa/operands.ts';

const LINE_LIMIT = 100_000;

interface Line {
  readonly address: bigint;
  readonly bytes: readonly number[];
  readonly text: string;
}

interface Tally {
  compared: number;
  readonly lengths: string[];
  readonly texts: string[];
}

const RAW_MACHINES = { 16: 'i8086', 32: 'i386', 64: 'i386:x86-64' };

const normalise = (text: string): string =>
  text
    .replace(/\s+#.*$/, '')
    .replace(/\s*<.*>/, '')
    .replace(/\s+/g, ' ')
    .trim();

function readLine(line: string): Line | undefined {
  const [address, bytes, text] = line.split('\t');
  if (text === undefined) return undefined;
  return {
    address: BigInt(`0x${address.trim().replace(':', '')}`),
    bytes: bytes
      .trim()
      .split(' ')
      .map((byte) => Number.parseInt(byte, 16)),
    text: normalise(text),
  };
}

const LEGACY_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];

/** VEX, EVEX and XOP: C4, C5, 62 and 8F where they are not LES, LDS, BOUND and POP. */
function isVectorExtension(bytes: readonly number[], { bits }: Mode): boolean {
  let start = 0;
  while (LEGACY_PREFIXES.includes(bytes[start]) || (bits === 64 && bytes[start] >> 4 === 4)) start++;
  const next = bytes[start + 1] ?? 0;
  if (bytes[start] === 0x8f) return (next & 0x38) !== 0;
  return [0xc4, 0xc5, 0x62].includes(bytes[start]) && (bits === 64 || next >= 0xc0);
}

/** What objdump prints and this processor refuses, with #UD. */
const REFUSED = new RegExp(
  [
    '\\b(x(begin[wd]?|end|abort|test|savec|saves|rstors|suspldtrk|resldtrk|store-rng|crypt-\\w+)|xsavec64|ad[co]x|sha(1|256)\\w+)\\b',
    '\\b(rdpkru|wrpkru|rdpid|clflushopt|clwb|ptwrite|serialize|clzero|mcommit|invlpga|invlpgb|monitorx|mwaitx|rdpru)\\b',
    '\\b(vm\\w+|invept|invvpid|skinit|stgi|clgi|getsec|pconfig|encls|enclu|enclv|seam\\w+|tdcall|hreset|montmul|xsha\\w+)\\b',
    '\\b(femms|pf\\w+|pi2f\\w|pmulhrw|pavgusb|pswapd|ffreep|loadall|rmp\\w+|psmash|pvalidate|tlbsync)\\b',
    '\\b(incssp\\w|rstorssp|setssbsy|saveprevssp|clrssbsy|wrss\\w|wruss\\w|u?mon?itor|umwait|tpause|uiret|testui|clui|stui|senduipi)\\b',
    '\\b(enqcmds?|movdir\\w+|gf2p8\\w+|aesenc\\w*kl|aesdec\\w*kl|loadiwkey|encodekey\\w+|aor|aand|axor|aadd|wbnoinvd)\\b',
    'frstpm\\(287 only\\)|\\b(cr([15679]|1\\d)|d[br]([89]|1\\d)|tr[0-7])\\b|\\block\\b|mov cs,|\\?|^(\\w+ )*(syscall|sysret)\\b',
  ].join('|'),
);

/** Later meanings of encodings that are something else on a processor without them. */
const NEWER =
  /\b(tzcnt|lzcnt|xacquire|xrelease|bnd(mk|mov|cl|cu|cn|ldx|stx)|prefetch(it[01]|wt1|rst2|)|rdssp[dq]|cldemote)\b/;

/** Text that only says how objdump splits bytes: a prefix by itself, or data. */
const NO_INSTRUCTION = /\(bad\)|^\.byte|^((rex(\.\w+)?|data(16|32)|addr(16|32)|[cdefgs]s|lock|rep(n?z)?) ?)+$/;

/** objdump joins FWAIT and the x87 instruction after it. */
const isFusedWait = (line: Line): boolean =>
  line.bytes.includes(0x9b) && line.text !== 'fwait' && /\bf/.test(line.text);

function compare(line: Line, mode: Mode, tally: Tally): void {
  if (NO_INSTRUCTION.test(line.text)) return;
  const mine = disassemble((offset) => line.bytes[offset] ?? 0, mode, line.address);
  const describe = `${line.bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}: ${line.text} | ${mine.text}`;
  const isBad = mine.text === '(bad)';
  if (isVectorExtension(line.bytes, mode) || (isBad && REFUSED.test(line.text))) {
    if (!isBad) tally.lengths.push(describe);
    return;
  }
  if (isFusedWait(line) && mine.text.endsWith('fwait')) return;
  tally.compared++;
  if (isBad || mine.length !== line.bytes.length) tally.lengths.push(describe);
  else if (!NEWER.test(line.text) && !sameText(line.text, mine.text)) tally.texts.push(describe);
}

/** objdump leaves out 0x before an address that has a symbol. */
const sameText = (theirs: string, mine: string): boolean =>
  theirs === mine || theirs.replace(/ (?:0x)?([0-9a-f]+)$/, ' 0x$1') === mine;

async function objdump(parameters: readonly string[], mode: Mode, limit: number): Promise<Tally> {
  const tally: Tally = { compared: 0, lengths: [], texts: [] };
  const child = spawn('objdump', [...parameters, '-w', '-z', '-M', 'intel,intel64']);
  const exited = new Promise((resolve) => child.on('close', resolve));
  let count = 0;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = readLine(text);
    if (line) compare(line, mode, tally);
    if (++count >= limit) break;
  }
  child.kill();
  child.stdout.destroy();
  await exited;
  return tally;
}

const skip =
  process.arch === 'x64' && spawnSync('objdump', ['--version']).status === 0
    ? false
    : 'no objdump for x86 on this host';

/** Program files whose text sections hold code alone. */
const PROGRAMS: readonly [string, Mode, readonly string[]][] = [
  ['/usr/bin/perl', { bits: 64 }, ['-d']],
  ['/usr/bin/busybox', { bits: 64 }, ['-d']],
  ['/lib/x86_64-linux-gnu/libc.so.6', { bits: 64 }, ['-d']],
  ['/lib/x86_64-linux-gnu/libm.so.6', { bits: 64 }, ['-d']],
  ['/lib/i386-linux-gnu/libc.so.6', { bits: 32 }, ['-d']],
  ['/lib32/libc.so.6', { bits: 32 }, ['-d']],
  ['/lib32/libm.so.6', { bits: 32 }, ['-d']],
];

/** Files with code among data: lengths only. */
const IMAGES: readonly [string, Mode, readonly string[]][] = [
  ['/lib/x86_64-linux-gnu/libcrypto.so.3', { bits: 64 }, ['-d']],
  ['/usr/share/seabios/vgabios-stdvga.bin', { bits: 16 }, ['-D', '-b', 'binary', '-m', 'i8086']],
  ['/usr/share/seabios/bios.bin', { bits: 16 }, ['-D', '-b', 'binary', '-m', 'i8086']],
  ['/usr/share/seabios/bios.bin', { bits: 32 }, ['-D', '-b', 'binary', '-m', 'i386']],
];

const missing = (path: string): string | false => skip || (existsSync(path) ? false : `${path} is not on this host`);

for (const [path, mode, parameters] of PROGRAMS) {
  test(`${path}: ${mode.bits}-bit lengths and text equal objdump's`, { skip: missing(path) }, async () => {
    const tally = await objdump([...parameters, path], mode, LINE_LIMIT);
    assert.deepEqual(tally.lengths, []);
    assert.deepEqual(tally.texts, []);
    assert.ok(tally.compared > 1000, `${tally.compared} compared`);
  });
}

for (const [path, mode, parameters] of IMAGES) {
  test(`${path}: ${mode.bits}-bit lengths equal objdump's`, { skip: missing(path) }, async () => {
    const tally = await objdump([...parameters, path], mode, LINE_LIMIT);
    assert.deepEqual(tally.lengths, []);
    assert.ok(tally.compared > 1000, `${tally.compared} compared`);
  });
}

/** Bytes of a 64-bit linear congruential generator (Knuth, MMIX). */
function randomBytes(count: number, seed: bigint): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: count }, () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number(state >> 56n);
  });
}

for (const bits of [16, 32, 64] as const) {
  test(`random bytes: ${bits}-bit lengths equal objdump's`, { skip }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vitrine-objdump-'));
    try {
      const path = join(folder, 'random.bin');
      writeFileSync(path, randomBytes(150_000, BigInt(bits)));
      const tally = await objdump(['-D', '-b', 'binary', '-m', RAW_MACHINES[bits], path], { bits }, Infinity);
      assert.deepEqual(tally.lengths, []);
      assert.ok(tally.compared > 10_000, `${tally.compared} compared`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

const EXTRA = (process.env.VITRINE_OBJDUMP_FILES ?? '').split(':').filter((path) => path !== '');

/** An ELF file's class is its fifth byte; objdump prints it as the file format. */
function modeOf(path: string): Mode {
  const { stdout } = spawnSync('objdump', ['-f', path], { encoding: 'utf8' });
  return { bits: stdout.includes('elf64-x86-64') ? 64 : 32 };
}

for (const path of EXTRA) {
  test(`${path}: lengths equal objdump's, over the whole file`, { skip: missing(path) }, async () => {
    const tally = await objdump(['-d', path], modeOf(path), Infinity);
    assert.deepEqual(tally.lengths, []);
  });
}
