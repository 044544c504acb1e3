/** Shifts and rotates. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const SHIFT_ROWS = `
C0 /0                | ROL Eb,Ib
C1 /0                | ROL Ev,Ib
D0 /0                | ROL Eb,1
D1 /0                | ROL Ev,1
D2 /0                | ROL Eb,CL
D3 /0                | ROL Ev,CL
C0 /1                | ROR Eb,Ib
C1 /1                | ROR Ev,Ib
D0 /1                | ROR Eb,1
D1 /1                | ROR Ev,1
D2 /1                | ROR Eb,CL
D3 /1                | ROR Ev,CL
C0 /2                | RCL Eb,Ib
C1 /2                | RCL Ev,Ib
D0 /2                | RCL Eb,1
D1 /2                | RCL Ev,1
D2 /2                | RCL Eb,CL
D3 /2                | RCL Ev,CL
C0 /3                | RCR Eb,Ib
C1 /3                | RCR Ev,Ib
D0 /3                | RCR Eb,1
D1 /3                | RCR Ev,1
D2 /3                | RCR Eb,CL
D3 /3                | RCR Ev,CL
C0 /4                | SHL Eb,Ib
C1 /4                | SHL Ev,Ib
D0 /4                | SHL Eb,1
D1 /4                | SHL Ev,1
D2 /4                | SHL Eb,CL
D3 /4                | SHL Ev,CL
C0 /5                | SHR Eb,Ib
C1 /5                | SHR Ev,Ib
D0 /5                | SHR Eb,1
D1 /5                | SHR Ev,1
D2 /5                | SHR Eb,CL
D3 /5                | SHR Ev,CL
C0 /6                | SAL Eb,Ib                  | alias sem=shl
C1 /6                | SAL Ev,Ib                  | alias sem=shl
D0 /6                | SAL Eb,1                   | alias sem=shl
D1 /6                | SAL Ev,1                   | alias sem=shl
D2 /6                | SAL Eb,CL                  | alias sem=shl
D3 /6                | SAL Ev,CL                  | alias sem=shl
C0 /7                | SAR Eb,Ib
C1 /7                | SAR Ev,Ib
D0 /7                | SAR Eb,1
D1 /7                | SAR Ev,1
D2 /7                | SAR Eb,CL
D3 /7                | SAR Ev,CL
0F A4 /r             | SHLD Ev,Gv,Ib
0F A5 /r             | SHLD Ev,Gv,CL
0F AC /r             | SHRD Ev,Gv,Ib
0F AD /r             | SHRD Ev,Gv,CL
`;
