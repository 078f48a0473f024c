//! What the tests share: where the vectors are, and where real data is if it is there.
