/** AES and carry-less multiplication. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const CRYPTO_ROWS = `
66 0F 38 DB /r       | AESIMC Vdq,Wdq             | feat=aes
66 0F 38 DC /r       | AESENC Vdq,Wdq             | feat=aes
66 0F 38 DD /r       | AESENCLAST Vdq,Wdq         | feat=aes
66 0F 38 DE /r       | AESDEC Vdq,Wdq             | feat=aes
66 0F 38 DF /r       | AESDECLAST Vdq,Wdq         | feat=aes
66 0F 3A DF /r       | AESKEYGENASSIST Vdq,Wdq,Ib | feat=aes
66 0F 3A 44 /r       | PCLMULQDQ Vdq,Wdq,Ib       | feat=pclmulqdq
`;
