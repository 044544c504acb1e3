/**
 * Assembly of a kernel that makes page tables: each page where it is, the first 4 MiB as one, the next 4 MiB by a table at 501000h whose
 * entries may be changed. Uses EAX and EDI.
 */
export const MAP_PAGES = `  mov eax, 0x83
  mov [0x500000], eax
  mov dword [0x500004], 0x501003
  mov eax, 0x400003
  mov edi, 0x501000
fill:
  mov [edi], eax
  add eax, 4096
  add edi, 4
  cmp edi, 0x502000
  jne fill
`;

/** Turns paging with large pages on, and write protection. Uses EAX. */
export const START_PAGING = `  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  mov eax, 0x500000
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax
`;
