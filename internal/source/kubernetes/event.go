package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/translate"
)

// The bounds of Events. One that stands is not repeated while it is remembered, and its name is made of what it says, so
// that the next holder of the lease finds it there.
const (
	eventPause   = 100 * time.Millisecond // between two, after a burst
	eventBurst   = 100
	eventMemory  = 10_000           // that are remembered as written
	eventRepeat  = 10 * time.Minute // before one that went and came is written again
	eventMessage = 1000             // bytes, of the 1024 that the API takes
)

// events writes what is wrong, or other than somebody may expect, with an object as an Event on it.
type events struct {
	client     *Client
	source     string
	controller string
	log        *slog.Logger
	uid        func(translate.Key) (uid string, known bool)

	mu    sync.Mutex
	now   shard.Map[[]model.Diagnostic] // of the last report
	wake  chan struct{}
	wrote map[string]time.Time // names of Events; of run's goroutine
}

func newEvents(o Options, uid func(translate.Key) (string, bool)) *events {
	controller := o.Translate.Controller
	if controller == "" {
		controller = translate.Controller
	}
	return &events{client: o.Client, source: o.Name, controller: controller, log: o.Log, uid: uid, wake: make(chan struct{}, 1), wrote: map[string]time.Time{}}
}

// report notes the diagnostics that hold now.
func (e *events) report(r source.Report) {
	e.mu.Lock()
	e.now = r.Diagnostics
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// run writes Events until ctx ends: the holder of the lease alone. It begins with everything that stands.
func (e *events) run(ctx context.Context) {
	var before shard.Map[[]model.Diagnostic]
	p := pace{every: eventPause, burst: eventBurst}
	for {
		e.mu.Lock()
		now := e.now
		e.mu.Unlock()
		for c := range now.Changes(before) {
			for _, d := range c.New {
				if !e.tells(d) || !e.one(ctx, d, &p) {
					continue
				}
			}
			if ctx.Err() != nil {
				return
			}
		}
		before = now
		select {
		case <-e.wake:
		case <-ctx.Done():
			return
		}
	}
}

// tells tells whether a diagnostic is one for the object's owner: about an object of ours, and more than a remark, unless
// it is the verdict on an annotation.
func (e *events) tells(d model.Diagnostic) bool {
	if d.Origin.Source != e.source || d.Origin.Name == "" {
		return false
	}
	return d.Severity > model.Info || d.Code == model.CodeAnnotationDiffers || d.Code == model.CodeAnnotationIgnored
}

// one writes an Event, unless it was written already.
func (e *events) one(ctx context.Context, d model.Diagnostic, p *pace) bool {
	key := translate.Key{Kind: translate.Kind(d.Origin.Kind), Namespace: d.Origin.Namespace, Name: d.Origin.Name}
	uid, known := e.uid(key)
	if !known {
		return false
	}
	event := e.event(d, uid)
	if t, done := e.wrote[event.Name]; done && time.Since(t) < eventRepeat {
		return false
	}
	if !p.wait(ctx) {
		return false
	}
	e.remember(event.Name)
	err := e.write(ctx, event)
	if err != nil && ctx.Err() == nil {
		e.log.Debug("an event cannot be written", "object", key, "err", err)
	}
	return err == nil
}

func (e *events) remember(name string) {
	if len(e.wrote) >= eventMemory {
		for n, t := range e.wrote {
			if time.Since(t) >= eventRepeat || len(e.wrote) >= eventMemory {
				delete(e.wrote, n)
			}
		}
	}
	e.wrote[name] = time.Now()
}

// write creates an Event. One that is there already is counted up.
func (e *events) write(ctx context.Context, event *corev1.Event) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	text, err := json.Marshal(event)
	if err != nil {
		return err
	}
	c := e.client.groups[corev1.SchemeGroupVersion]
	err = c.Post().Namespace(event.Namespace).Resource("events").SetHeader("Content-Type", runtime.ContentTypeJSON).Body(text).Do(ctx).Error()
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (e *events) event(d model.Diagnostic, uid string) *corev1.Event {
	message := d.Message
	if d.Field != "" {
		message = d.Field + ": " + message
	}
	if len(message) > eventMessage {
		message = strings.ToValidUTF8(message[:eventMessage], "") + "…"
	}
	namespace := d.Origin.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault // where Events on objects without a namespace are
	}
	sum := sha256.Sum256([]byte(uid + "\x00" + string(d.Code) + "\x00" + message))
	kind, now := corev1.EventTypeWarning, metav1.Now()
	if d.Severity == model.Info {
		kind = corev1.EventTypeNormal
	}
	return &corev1.Event{
		TypeMeta:            metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta:          metav1.ObjectMeta{Namespace: namespace, Name: d.Origin.Name + "." + hex.EncodeToString(sum[:8])},
		InvolvedObject:      corev1.ObjectReference{APIVersion: versionOf(d.Origin.Kind), Kind: d.Origin.Kind, Namespace: d.Origin.Namespace, Name: d.Origin.Name, UID: types.UID(uid)},
		Reason:              reasonOf(d.Code),
		Message:             message,
		Type:                kind,
		Source:              corev1.EventSource{Component: "paifang"},
		ReportingController: e.controller,
		ReportingInstance:   "paifang",
		FirstTimestamp:      now, LastTimestamp: now, Count: 1,
	}
}

func versionOf(kind string) string {
	switch translate.Kind(kind) {
	case translate.KindIngress, translate.KindIngressClass:
		return networkingv1.SchemeGroupVersion.String()
	case translate.KindEndpointSlice:
		return discoveryv1.SchemeGroupVersion.String()
	}
	return corev1.SchemeGroupVersion.String()
}

// reasonOf is a code as Events have reasons: "secret-missing" is "SecretMissing".
func reasonOf(c model.Code) string {
	var b strings.Builder
	for _, word := range strings.Split(string(c), "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
