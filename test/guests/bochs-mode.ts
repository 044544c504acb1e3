/** Address of the display adapter's first base address register, for port CF8h. */
export const BASE_ADDRESS_0 = 0x80001010;

/**
 * Source in which a guest shows its linear video memory, whose address is then in EBX: width × height pixels of 32 bits
 * (Bochs' vbe_display_api.txt). It changes EAX and EDX, too.
 */
export function showBochsMode(width: number, height: number): string {
  const mode = [
    [4, 0],
    [1, width],
    [2, height],
    [3, 32],
    [4, 0x41],
  ];
  return `
  mov eax, ${BASE_ADDRESS_0}
  mov dx, 0xcf8
  out dx, eax
  mov dx, 0xcfc
  in eax, dx
  and eax, 0xfffffff0
  mov ebx, eax
${mode.map(([index, value]) => `${out16(0x1ce, index)}${out16(0x1cf, value)}`).join('')}
  mov dx, 0x3da
  in al, dx
  mov dx, 0x3c0
  mov al, 0x20
  out dx, al
`;
}

const out16 = (port: number, value: number) => `
  mov dx, ${port}
  mov ax, ${value}
  out dx, ax`;
