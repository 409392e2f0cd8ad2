package storage_test

import (
	"testing"

	"go.uber.org/goleak"

	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) { storagetest.Run(t, storage.NewMemory()) }
