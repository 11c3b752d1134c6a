use super::*;
#[test]
fn x(){ let l=Limits::default(); for t in ["up","1+1"] { println!("{:?}", gate(t,&l)); } }
