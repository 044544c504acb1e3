/** Bit tests, bit scans, population count and CRC32. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const BITS_ROWS = `
0F A3 /r             | BT Ev,Gv
0F BA /4             | BT Ev,Ib
0F AB /r             | BTS Ev,Gv                  | lock
0F BA /5             | BTS Ev,Ib                  | lock
0F B3 /r             | BTR Ev,Gv                  | lock
0F BA /6             | BTR Ev,Ib                  | lock
0F BB /r             | BTC Ev,Gv                  | lock
0F BA /7             | BTC Ev,Ib                  | lock
0F BC /r             | BSF Gv,Ev
0F BD /r             | BSR Gv,Ev
F3 0F B8 /r          | POPCNT Gv,Ev               | feat=popcnt
F2 0F 38 F0 /r       | CRC32 Gy,Eb                | feat=sse42
F2 0F 38 F1 /r       | CRC32 Gy,Ev                | feat=sse42
`;
