const ADDRESS_BYTES = 6;
const POLYNOMIAL = 0x04c11db7;

/**
 * The bit of a 64-bit multicast filter that an address falls on: the upper six bits of the CRC-32 that Ethernet makes of
 * it (DP8390D data sheet, "Multicast Address Registers"; Realtek's cards do the same).
 */
export function multicastHash(address: Uint8Array): number {
  let crc = 0xffffffff;
  for (let index = 0; index < ADDRESS_BYTES; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const differs = (crc >>> 31) ^ ((address[index] >> bit) & 1);
      crc = (crc << 1) ^ (differs ? POLYNOMIAL : 0);
    }
  }
  return crc >>> 26;
}
