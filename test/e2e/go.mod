module paifang/test/e2e

go 1.26.0

require paifang/deploy v0.0.0

replace paifang/deploy => ../../deploy
