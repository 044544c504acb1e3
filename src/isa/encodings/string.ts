/** String instructions and port input and output. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const STRING_ROWS = `
A4                   | MOVSB Yb,Xb                | rep sem=movs
A5                   | MOVSW/MOVSD/MOVSQ Yv,Xv    | rep sem=movs
A6                   | CMPSB Xb,Yb                | repz sem=cmps
A7                   | CMPSW/CMPSD/CMPSQ Xv,Yv    | repz sem=cmps
AA                   | STOSB Yb,AL                | rep sem=stos
AB                   | STOSW/STOSD/STOSQ Yv,rAX   | rep sem=stos
AC                   | LODSB AL,Xb                | rep sem=lods
AD                   | LODSW/LODSD/LODSQ rAX,Xv   | rep sem=lods
AE                   | SCASB AL,Yb                | repz sem=scas
AF                   | SCASW/SCASD/SCASQ rAX,Yv   | repz sem=scas
6C                   | INSB Yb,DX                 | rep sem=ins
6D                   | INSW/INSD Yz,DX            | rep sem=ins
6E                   | OUTSB DX,Xb                | rep sem=outs
6F                   | OUTSW/OUTSD DX,Xz          | rep sem=outs
E4                   | IN AL,Ib
E5                   | IN eAX,Ib
E6                   | OUT Ib,AL
E7                   | OUT Ib,eAX
EC                   | IN AL,DX
ED                   | IN eAX,DX
EE                   | OUT DX,AL
EF                   | OUT DX,eAX
`;
