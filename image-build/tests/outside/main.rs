//! What the writers wrote, read by the tools of others: each must find exactly the tree that went
//! in, and two runs under hostile variation must give the same bytes.

mod cpio;
mod disk;
mod erofs;
mod fat;
mod tool;
mod trees;
mod variation;
mod verity;
