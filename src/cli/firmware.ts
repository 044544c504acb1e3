import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FlashFile } from '../host/node/flash-file.ts';
import { NodeImageStore } from '../host/node/image-files.ts';
import type { FirmwareBoot } from '../vm/index.ts';
import { CliError, STATUS } from './errors.ts';
import { readOptionFile, whyUnreadable } from './files.ts';
import type { FileOption, RunOptions } from './run-options.ts';
import { quote } from './values.ts';

/** VGA BIOSes that SeaBIOS's package has beside it, and the names under which SeaBIOS looks for those of our adapters. */
const VGA_BIOSES = [
  ['vgabios-stdvga.bin', 'pci1234,1111.rom'],
  ['vgabios-virtio.bin', 'pci1af4,1050.rom'],
] as const;
/** Where packages describe their firmware (QEMU's docs/interop/firmware.json). */
const DESCRIPTOR_FOLDERS = ['/usr/share/qemu/firmware', '/etc/qemu/firmware'];
/** How long firmware waits for the key of its menu. */
const BOOT_MENU_MILLIS = 3000;
const MACHINE = /^pc-i440fx/;

/** The most that a BIOS has. UEFI firmware has more, and loads from the network itself. */
const MOST_BIOS_BYTES = 256 << 10;

/** What of the options says how firmware boots. */
type BootOptions = Pick<RunOptions, 'bootOrder' | 'bootMenu' | 'optionRoms' | 'networks'>;

/** Reads the firmware that the options name, and option ROMs.
 * @throws {CliError} it is missing or unreadable, or known to need another machine; or a ROM is missing */
export async function loadFirmware(
  firmware: NonNullable<RunOptions['firmware']>,
  options: BootOptions,
): Promise<FirmwareBoot> {
  const { bootOrder, bootMenu } = options;
  const boot = { bootOrder, bootMenuMillis: bootMenu ? BOOT_MENU_MILLIS : undefined };
  if (firmware === 'builtin') return { ...boot, rom: 'builtin', files: await readRoms(options, true) };
  const rom = readOptionFile(firmware);
  await expectOurMachine(firmware, rom);
  const files = await readRoms(options, rom.length <= MOST_BIOS_BYTES);
  return { ...boot, rom, files: [...(await vgaBioses(dirname(firmware.path))), ...files] };
}

/** The option ROMs. A BIOS that is to boot from the network gets that of the first card where none is given. */
async function readRoms({ optionRoms, bootOrder, networks }: BootOptions, isBios: boolean) {
  const roms = optionRoms.map(readOptionFile);
  const [card] = networks.flatMap((option) => (option.kind === 'none' ? [] : [option.model]));
  if (isBios && roms.length === 0 && card && bootOrder?.includes('net')) {
    roms.push(await (await import('./network-rom.ts')).loadNetworkRom(card));
  }
  return roms.map((rom, n) => [`genroms/option${n}.rom`, rom] as const);
}

async function vgaBioses(folder: string): Promise<[name: string, bytes: Uint8Array][]> {
  const found: [string, Uint8Array][] = [];
  for (const [file, name] of VGA_BIOSES) {
    const bytes = await readFile(join(folder, file)).catch(() => undefined);
    if (bytes) found.push([name, bytes]);
  }
  return found;
}

/** Opens the flash chip with the firmware's variables, which whoever opens it closes.
 * @throws {CliError} it is missing, unreadable or in use */
export async function openVariables(file: FileOption): Promise<FlashFile> {
  try {
    return await FlashFile.open(await new NodeImageStore().open(file.path, {}));
  } catch (error) {
    throw whyUnreadable(file, error, 'a file that can be read and written');
  }
}

/** What is used here of a firmware descriptor. */
interface Descriptor {
  readonly mapping?: { readonly executable?: { readonly filename?: string }; readonly filename?: string };
  readonly targets?: readonly { readonly machines?: readonly string[] }[];
  readonly features?: readonly string[];
}

/** Compares with the firmware that this host's packages describe: nothing in an image itself says what it needs. */
async function expectOurMachine({ option, path }: FileOption, rom: Uint8Array): Promise<void> {
  for (const { mapping, targets = [], features = [] } of await descriptors()) {
    const machines = targets.flatMap((target) => target.machines ?? []);
    const needs = [
      ...(features.includes('requires-smm') ? ['system management mode (SMM)'] : []),
      ...(machines.some((machine) => MACHINE.test(machine)) ? [] : machines),
    ];
    if (needs.length === 0 || !(await holds(mapping?.executable?.filename ?? mapping?.filename, rom))) continue;
    const found = `${quote(path)}, firmware that needs ${needs.join(' and ')}`;
    throw new CliError(STATUS.failed, `${option}: found ${found}, expected firmware for pc-i440fx without SMM`);
  }
}

async function descriptors(): Promise<Descriptor[]> {
  const read = async (folder: string) => {
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
    return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8').then(parse, () => ({}))));
  };
  return (await Promise.all(DESCRIPTOR_FOLDERS.map(read))).flat();
}

function parse(text: string): Descriptor {
  try {
    return JSON.parse(text) as Descriptor;
  } catch {
    return {};
  }
}

async function holds(path: string | undefined, content: Uint8Array): Promise<boolean> {
  const file = path === undefined ? undefined : await readFile(path).catch(() => undefined);
  return file?.equals(content) === true;
}
