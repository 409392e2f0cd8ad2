package nacoswire

// scanned is a message that reads itself from the usual form of JSON; it tells whether it could, and is to be forgotten where not.
type scanned interface{ scan(body []byte) bool }

// Head is what is decided by before the rest of a request is read. All four are most often missing.
type Head struct {
	RequestID string `json:"requestId"`
	Namespace string `json:"namespace"`
	Tenant    string `json:"tenant"`
	Pattern   string `json:"groupKeyPattern"`
}

func (h *Head) scan(body []byte) bool {
	s := scanner{b: body}
	return s.whole(func(name string, null bool) {
		var to *string
		switch name {
		case "requestId":
			to = &h.RequestID
		case "namespace":
			to = &h.Namespace
		case "tenant":
			to = &h.Tenant
		case "groupKeyPattern":
			to = &h.Pattern
		default:
			s.skip(name, null, "requestId", "namespace", "tenant", "groupKeyPattern")
			return
		}
		if !null {
			*to = s.text()
		}
	})
}

func (q *InstanceRequest) scan(body []byte) bool {
	s := scanner{b: body}
	return s.whole(func(name string, null bool) {
		var to *string
		switch name {
		case "requestId":
			to = &q.RequestID
		case "module":
			to = &q.Module
		case "namespace":
			to = &q.Namespace
		case "serviceName":
			to = &q.ServiceName
		case "groupName":
			to = &q.GroupName
		case "type":
			to = &q.Type
		case "headers":
			q.Headers = nil
			if !null {
				q.Headers = s.texts(func(out map[string]string, name string) { out[name] = "" })
			}
			return
		case "instance":
			q.Instance = NewInstance("", 0)
			if !null {
				q.Instance.read(&s)
			}
			return
		default:
			s.skip(name, null, "requestId", "module", "namespace", "serviceName", "groupName", "type", "headers", "instance")
			return
		}
		if !null {
			*to = s.text()
		}
	})
}

// read reads an instance that has its defaults.
func (i *Instance) read(s *scanner) {
	s.object(func(name string, null bool) {
		if null {
			i.clear(s, name)
			return
		}
		switch name {
		case "instanceId":
			i.InstanceID = s.text()
		case "ip":
			i.IP = s.text()
		case "port":
			i.Port = int(s.long())
		case "weight":
			i.Weight = s.number()
		case "healthy":
			i.Healthy = s.flag()
		case "enabled":
			i.Enabled = s.flag()
		case "ephemeral":
			i.Ephemeral = s.flag()
		case "clusterName":
			i.ClusterName = s.text()
		case "serviceName":
			i.ServiceName = s.text()
		case "metadata":
			i.Metadata = s.texts(func(out map[string]string, name string) { delete(out, name) })
			if len(i.Metadata) == 0 {
				i.Metadata = nil
			}
		case "instanceHeartBeatInterval":
			i.HeartBeatInterval = s.long()
		case "instanceHeartBeatTimeOut":
			i.HeartBeatTimeout = s.long()
		case "ipDeleteTimeout":
			i.IPDeleteTimeout = s.long()
		case "instanceIdGenerator":
			i.IDGenerator = s.text()
		default:
			s.skip(name, false, instanceNames[:]...)
		}
	})
}

// clear is for a member that is null: metadata are none then, everything else stays.
func (i *Instance) clear(s *scanner, name string) {
	if name == "metadata" {
		i.Metadata = nil
		return
	}
	for _, known := range instanceNames {
		if name == known {
			return
		}
	}
	s.skip(name, true, instanceNames[:]...)
}

var instanceNames = [...]string{
	"instanceId", "ip", "port", "weight", "healthy", "enabled", "ephemeral", "clusterName", "serviceName", "metadata",
	"instanceHeartBeatInterval", "instanceHeartBeatTimeOut", "ipDeleteTimeout", "instanceIdGenerator",
}
