module paifang/test/redis

go 1.26.0
