package http2

import (
	"errors"
	"time"

	"golang.org/x/net/http2"
)

// take acts on a frame that is no header section. The lock is held.
func (c *Conn) take(f http2.Frame) error {
	s, first := f.(*http2.SettingsFrame)
	if !c.peer.known && (!first || s.IsAck()) {
		return Fault{ProtocolError, "SETTINGS must come first"}
	}
	switch f := f.(type) {
	case *http2.DataFrame:
		return c.takeData(f)
	case *http2.SettingsFrame:
		return c.takeSettings(f)
	case *http2.WindowUpdateFrame:
		return c.takeWindow(f.StreamID, int64(f.Increment))
	case *http2.RSTStreamFrame:
		return c.takeReset(f.StreamID, f.ErrCode)
	case *http2.PingFrame:
		if f.IsAck() {
			return c.glitch() // nobody asked
		}
		c.answer(c.framer.WritePing(true, f.Data))
		return c.glitch()
	case *http2.GoAwayFrame:
		return c.takeGoAway(f)
	case *http2.PushPromiseFrame:
		return Fault{ProtocolError, "PUSH_PROMISE that was never allowed"}
	case *http2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return streamFault{f.StreamID, ProtocolError}
		}
	}
	return c.glitch() // priorities and extensions mean nothing here
}

// idle tells a stream that was never opened. Numbers below the highest were skipped, and are closed (RFC 9113, section
// 5.1.1); those that come after the last one that is served are not looked at.
func (c *Conn) idle(id uint32) bool {
	return id%2 == 0 || id > c.last && (c.client || c.leaving < told)
}

// takeData takes a part of a body.
func (c *Conn) takeData(f *http2.DataFrame) error {
	id, n, data, end := f.StreamID, int(f.Length), f.Data(), f.StreamEnded()
	if c.idle(id) {
		return Fault{ProtocolError, "DATA on an idle stream"}
	}
	if n > c.credit {
		return Fault{http2.ErrCodeFlowControl, "more than the connection's window"}
	}
	c.credit -= n
	s := c.streams[id]
	if s == nil || s.ended {
		c.giveBack(nil, n)
		if s == nil && !c.closed.hasEnded(id) {
			return c.stray() // it crossed our reset, or that is too long ago to tell
		}
		return streamFault{id, StreamClosed}
	}
	if fault := s.accept(n, data, end); fault != NoError {
		c.giveBack(nil, n)
		return streamFault{id, fault}
	}
	if len(data) > 0 {
		c.forgive()
	} else if !end {
		return c.glitch()
	}
	if end {
		c.tidy(s)
	}
	return nil
}

// accept keeps a part of the stream's body until it is taken, or says why it cannot.
func (s *Stream) accept(n int, data []byte, end bool) Code {
	switch {
	case n > s.credit:
		return http2.ErrCodeFlowControl
	case s.c.client && (!s.answered || s.bodiless && len(data) > 0):
		return ProtocolError
	}
	s.received += int64(len(data))
	if s.length >= 0 && (s.received > s.length || end && s.received < s.length) {
		return ProtocolError
	}
	s.credit -= n
	s.ended = end
	if s.deaf {
		s.c.giveBack(nil, n)
		return NoError
	}
	s.body = append(s.body, data...)
	s.c.giveBack(s, n-len(data)) // padding
	s.toldMore()
	return NoError
}

// giveBack lets the peer send as many bytes again, once it is worth a frame: on the stream, if there is one, and on the
// connection.
func (c *Conn) giveBack(s *Stream, n int) {
	if n == 0 {
		return
	}
	// What is unread of other streams may have left little of the window: that little must come back.
	if c.owed += n; c.owed >= c.credit || c.owed >= c.cfg.StreamWindow/2 {
		c.write(c.framer.WriteWindowUpdate(0, uint32(c.owed)))
		c.credit += c.owed
		c.owed = 0
	}
	if s == nil || s.ended || s.readErr != nil {
		return
	}
	if s.owed += n; s.owed >= c.cfg.StreamWindow/2 {
		c.write(c.framer.WriteWindowUpdate(s.id, uint32(s.owed)))
		s.credit += s.owed
		s.owed = 0
	}
}

// takeSettings applies the peer's settings in their order, and says so.
func (c *Conn) takeSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	first := !c.peer.known
	c.peer.known = true
	if first && c.client {
		c.peer.streams = maxWindow // unless it says something else
	}
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return Fault{faultCode(err), "setting that is not allowed"}
		}
		switch s.ID {
		case http2.SettingMaxConcurrentStreams:
			c.peer.streams = int(min(s.Val, maxWindow))
		case http2.SettingMaxFrameSize:
			c.peer.frame = min(int(s.Val), frameSize)
		case http2.SettingHeaderTableSize:
			c.encoder.SetMaxDynamicTableSize(min(s.Val, tableSize))
		case http2.SettingInitialWindowSize:
			return c.resize(int64(s.Val))
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.answer(c.framer.WriteSettingsAck())
	if first {
		return nil
	}
	return c.glitch()
}

func faultCode(err error) Code {
	if code, ok := errors.AsType[http2.ConnectionError](err); ok {
		return Code(code)
	}
	return ProtocolError
}

// resize gives every stream another initial window (RFC 9113, section 6.9.2), which may leave less than nothing.
func (c *Conn) resize(initial int64) error {
	by := initial - c.peer.window
	c.peer.window = initial
	for _, s := range c.streams {
		if s.window += by; s.window > maxWindow {
			return Fault{http2.ErrCodeFlowControl, "window above its maximum"}
		}
		s.writable.Signal()
	}
	return nil
}

// takeWindow lets more of bodies be sent.
func (c *Conn) takeWindow(id uint32, n int64) error {
	c.updates++
	if id == 0 {
		if c.window += n; c.window > maxWindow {
			return Fault{http2.ErrCodeFlowControl, "window above its maximum"}
		}
		c.wakeWriters()
	} else if c.idle(id) {
		return Fault{ProtocolError, "WINDOW_UPDATE on an idle stream"}
	} else if s := c.streams[id]; s != nil {
		if s.window += n; s.window > maxWindow {
			return streamFault{id, http2.ErrCodeFlowControl}
		}
		s.writable.Signal()
	}
	if c.updates > maxUpdates {
		return c.glitch()
	}
	return nil
}

// takeReset ends a stream that the peer has no use for. Its slot is free when its handler has noticed.
func (c *Conn) takeReset(id uint32, code Code) error {
	if c.idle(id) {
		return Fault{ProtocolError, "RST_STREAM on an idle stream"}
	}
	s := c.streams[id]
	if s == nil {
		return c.stray()
	}
	young := !c.client && !s.answered && time.Since(s.opened) < prematurely
	s.end(ResetError{Code: code})
	c.drop(s, false)
	if young {
		return c.glitch()
	}
	return nil
}

// takeGoAway notes that the peer will go.
func (c *Conn) takeGoAway(f *http2.GoAwayFrame) error {
	if !c.client {
		return c.glitch() // it opens no further streams: nothing to do
	}
	c.leaving = told
	for id, s := range c.streams {
		if id > f.LastStreamID {
			s.end(ErrUnprocessed)
			c.drop(s, false)
		}
	}
	c.shut()
	return nil
}
