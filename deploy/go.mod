module paifang/deploy

go 1.26.0
