package main

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"time"
)

// noise is a reader of n bytes that look random and are the same for each seed.
type noise struct {
	state uint64
	left  int64
}

func newNoise(seed uint64, n int64) *noise { return &noise{seed*2 + 1, n} }

func (r *noise) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.left)
	for i := int64(0); i < n; i++ {
		r.state ^= r.state << 13
		r.state ^= r.state >> 7
		r.state ^= r.state << 17
		p[i] = byte(r.state >> 32)
	}
	r.left -= n
	return int(n), nil
}

func noiseSum(seed uint64, n int64) string {
	h := sha256.New()
	io.Copy(h, newNoise(seed, n))
	return hex.EncodeToString(h.Sum(nil))
}

// sum is a writer that counts and hashes; a slow one pauses after each MiB.
type sum struct {
	h    hash.Hash
	n    int64
	slow time.Duration
	next int64
}

func newSum(slow time.Duration) *sum { return &sum{h: sha256.New(), slow: slow} }

func (s *sum) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	if s.slow > 0 && s.n >= s.next {
		time.Sleep(s.slow)
		s.next = s.n + 1<<20
	}
	return s.h.Write(p)
}

func (s *sum) String() string { return hex.EncodeToString(s.h.Sum(nil)) }

// speeds of readers: with the slow one each buffer on the way is full again and again.
var speeds = []struct {
	name  string
	pause time.Duration
}{{"fast", 0}, {"slow", 20 * time.Millisecond}}
