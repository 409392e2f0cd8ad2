module paifang/docs

go 1.26.0
