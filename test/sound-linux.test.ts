import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { FILE_TYPE } from '../src/base/cpio.ts';
import type { SoundModel } from '../src/vm/config.ts';
import { elfProgram } from './guests/elf-program.ts';
import { makeTestMachine, runToShutdown } from './guests/machine.ts';
import { moduleBoot } from './guests/module-boot.ts';
import { LOAD_MODULES } from './guests/modules.ts';
import { frequencyOf } from './sound/wave.ts';

const LIMIT = 20e9;
const RATE_HZ = 48_000;
/** What /dev/dsp takes from who asks for nothing: bytes, mono, 8 kHz (Open Sound System Programmer's Guide 1.11). */
const DSP_RATE_HZ = 8_000;
const TONE_HZ = 400;
const TONE = Uint8Array.from(
  { length: 2 * DSP_RATE_HZ },
  (_, i) => 128 + Math.round(100 * Math.sin((2 * Math.PI * TONE_HZ * (i + 0.5)) / DSP_RATE_HZ)),
);

/** Makes the mixer as loud as it gets: SOUND_MIXER_WRITE_VOLUME and SOUND_MIXER_WRITE_PCM of /dev/mixer. */
const LOUD = elfProgram(`
  mov eax, 2
  lea rdi, [rel name]
  mov esi, 2
  syscall
  mov ebx, eax
  mov edi, eax
  mov eax, 16
  mov esi, 0xc0044d00
  lea rdx, [rel level]
  syscall
  mov dword [rel level], 0x6464
  mov edi, ebx
  mov eax, 16
  mov esi, 0xc0044d04
  lea rdx, [rel level]
  syscall
  mov edi, eax
  mov eax, 60
  syscall
level: dd 0x6464
name: db "/dev/mixer", 0`);

describe('Linux with a sound card', { timeout: 900_000 }, () => {
  let missing: string | undefined;
  let boot: { kernel: Uint8Array; initrd: Uint8Array; commandLine: string };

  before(async () => {
    const modules = ['snd_intel8x0', 'snd_pcm_oss'];
    const script = `${LOAD_MODULES}\ncat /proc/asound/cards; dmesg | grep clocking\nloud && cat /tone > /dev/dsp\npoweroff -f`;
    const files = [
      { path: 'bin/loud', mode: FILE_TYPE.file | 0o755, data: LOUD },
      { path: 'tone', mode: FILE_TYPE.file | 0o644, data: TONE },
    ];
    const parts = await moduleBoot(modules, script, files).catch((error: Error) => {
      missing = error.message;
    });
    if (parts) boot = { ...parts, commandLine: 'console=ttyS0 quiet' };
  });

  it("plays a tone on AC'97", async (t) => {
    if (missing !== undefined) return t.skip(`no such guest here: ${missing.split('\n')[0]}`);
    const heard: Int16Array[] = [];
    const audio = {
      rateHz: RATE_HZ,
      play: (samples: Int16Array) => void heard.push(samples.filter((_, i) => !(i & 1))),
    };
    const sound: SoundModel = 'ac97';
    const { machine, serial } = makeTestMachine({
      memoryBytes: 256 << 20,
      boot,
      sound,
      audio,
      jit: { hotAfter: 1000 },
    });
    await runToShutdown(machine, LIMIT).catch((error: Error) => assert.fail(`${error.message}\n${serial.output}`));
    assert.match(serial.output, /Intel 82801AA-ICH/);
    assert.match(serial.output, /clocking to 48000/);
    const left = Int16Array.from(heard.flatMap((samples) => [...samples]));
    const tone = left.subarray(left.findIndex((sample) => Math.abs(sample) > 5_000)).subarray(0, RATE_HZ);
    assert.equal(tone.length, RATE_HZ, serial.output);
    const found = frequencyOf(tone, RATE_HZ);
    assert.ok(Math.abs(found - TONE_HZ) < 2, `${found} Hz`);
  });
});
