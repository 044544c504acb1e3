import { CfiFlash, type FlashStore } from '../devices/cfi-flash/cfi-flash.ts';
import { type SetPageAccess, SHADOW_BYTES, SHADOW_GPA, ShadowRam } from '../devices/pci-host/shadow-ram.ts';
import { Rom } from '../devices/rom/rom.ts';
import type { MmioBus } from '../machine/bus.ts';
import type { Device, GuestMemory } from '../machine/interfaces.ts';
import { PC_MEMORY } from './pc-map.ts';

/** Firmware that cannot be run. The message is one line that says what was found and expected. */
export class FirmwareInvalid extends Error {}

const ROM_UNIT_BYTES = 0x1000;
/** Blocks of the flash chip, as UEFI firmware for virtual machines expects them. */
const FLASH_BLOCK_BYTES = 0x1000;
/** What fits between the local APIC and 4 GiB without touching it. */
const MOST_ROM_BYTES = 0x800000;
/** How much of the ROM's end shows below 1 MiB too. */
const ISA_ROM_BYTES = 0x20000;
const RESET_VECTOR_FROM_END = 16;

type MemoryMapped = Pick<Device, 'read' | 'write'>;

const NOTHING: MemoryMapped = {
  read: (_offset, size) => 2 ** (size * 8) - 1,
  write: () => {},
};

/** Says whether an image can be firmware of this machine. @throws {FirmwareInvalid} */
function checkFirmware(image: Uint8Array): void {
  const { length } = image;
  const fits = length > 0 && length <= MOST_ROM_BYTES && length % ROM_UNIT_BYTES === 0;
  if (!fits) throw new FirmwareInvalid(`the firmware has ${length} bytes; a multiple of 4096 up to 8 MiB is expected`);
  const start = image.subarray(length - RESET_VECTOR_FROM_END);
  if (start.every((byte) => byte === start[0])) {
    throw new FirmwareInvalid('the firmware has no code 16 bytes before its end, where the processor starts');
  }
}

/** Makes the flash chip that ends where the ROM begins. @throws {FirmwareInvalid} */
export function mapVariables(mmio: MmioBus, image: Uint8Array, store: FlashStore): CfiFlash {
  checkFirmware(image);
  const { length } = store.content;
  const room = MOST_ROM_BYTES - image.length;
  if (length === 0 || length % FLASH_BLOCK_BYTES !== 0 || length > room) {
    const expected = `a multiple of ${FLASH_BLOCK_BYTES} up to ${room} beside this firmware`;
    throw new FirmwareInvalid(`the firmware's variables have ${length} bytes; ${expected} is expected`);
  }
  const flash = new CfiFlash(store, FLASH_BLOCK_BYTES);
  mmio.map(PC_MEMORY.fourGibibytes - image.length - length, length, flash, 'variables', 4);
  return flash;
}

/**
 * Puts the ROM below 4 GiB and, behind the shadow RAM that is returned, below 1 MiB.
 * @param image absent: there is no ROM  @throws {FirmwareInvalid}
 */
export function mapFirmware(
  mmio: MmioBus,
  memory: GuestMemory,
  image: Uint8Array | undefined,
  setAccess: SetPageAccess,
): ShadowRam {
  if (image) checkFirmware(image);
  const rom = image && new Rom(image);
  if (rom) mmio.map(PC_MEMORY.fourGibibytes - rom.length, rom.length, rom, 'rom', 4);
  const shadow = new ShadowRam(memory, rom ? belowOneMebibyte(rom) : NOTHING, setAccess);
  mmio.map(SHADOW_GPA, SHADOW_BYTES, shadow, 'shadowRam', 4);
  return shadow;
}

/** The end of the ROM at the end of the first MiB, as the ISA bridge decodes it. */
function belowOneMebibyte(rom: Rom): MemoryMapped {
  const length = Math.min(rom.length, ISA_ROM_BYTES);
  const start = SHADOW_BYTES - length;
  return {
    read: (offset, size) =>
      offset >= start ? rom.read(offset - start + rom.length - length, size) : NOTHING.read(offset, size),
    write: () => {},
  };
}
