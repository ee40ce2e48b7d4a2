package k8s_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	scheduling "k8s.io/api/scheduling/v1"
)

// given are Secrets of a production build that are not in git: those of operators, and those that docs/operate.md has
// somebody make.
var given = map[string][]string{
	"rabbitmq-default-user": {"username", "password", "connection_string"}, // cluster-operator
	"mongodb-connection":    {"connectionString.standard"},                 // mongodb-kubernetes-operator
	"orkestro":              {"api-keys", "token-secret", "ice-credential"},
	"mongodb-password":      {"password"},
	"orkestro-tls":          {"tls.crt", "tls.key"},
	"membership":            {"public-key"},
	"membership-v0.5.0":     {"credential.pem"},
}

// secretKeys are the keys of a Secret, nil if there is none.
func secretKeys(m manifests, name string) []string {
	if own := named[*core.Secret](m, name); own != nil {
		return slices.Collect(maps.Keys(own.Data))
	}
	if len(all[*core.Secret](m)) > 0 {
		return nil // a build that brings Secrets brings all of them
	}
	return given[name]
}

// checkReferences: what a pod names is there.
func checkReferences(m manifests) (findings []string) {
	for _, w := range workloads(m) {
		if named[*core.ServiceAccount](m, w.pod.Spec.ServiceAccountName) == nil {
			findings = append(findings, fmt.Sprintf("%s: there is no ServiceAccount %q", w.name,
				w.pod.Spec.ServiceAccountName))
		}
		if class := w.pod.Spec.PriorityClassName; class != "" && named[*scheduling.PriorityClass](m, class) == nil {
			findings = append(findings, fmt.Sprintf("%s: there is no PriorityClass %q", w.name, class))
		}
		findings = append(findings, checkVolumes(m, w)...)
		for _, c := range w.pod.Spec.Containers {
			findings = append(findings, checkEnvironment(m, w.name, c)...)
		}
	}
	asked := environment(m, *containerOf(&m, "wrapper"), "wrapper-0")["ORKESTRO_MEMBERSHIP_KEY"] != ""
	if asked && environment(m, *containerOf(&m, "mediaserver"), "mediaserver-0")["ORKESTRO_MEMBERSHIP_FILE"] == "" {
		findings = append(findings, "wrapper: it asks media servers for tokens, which they have not")
	}
	for _, ingress := range all[*networking.Ingress](m) {
		for _, tls := range ingress.Spec.TLS {
			if secretKeys(m, tls.SecretName) == nil {
				findings = append(findings, fmt.Sprintf("ingress: there is no Secret %q", tls.SecretName))
			}
		}
	}
	return findings
}

// checkVolumes: what is mounted is there, and a media server's token is one of its release.
func checkVolumes(m manifests, w workload) (findings []string) {
	c := w.pod.Spec.Containers[0]
	for _, mount := range c.VolumeMounts {
		if !hasVolume(m, w, mount.Name) {
			findings = append(findings, fmt.Sprintf("%s: there is no volume %q", w.name, mount.Name))
		}
	}
	for _, volume := range w.pod.Spec.Volumes {
		if volume.Secret == nil {
			continue
		}
		secret := volume.Secret.SecretName
		if secretKeys(m, secret) == nil {
			findings = append(findings, fmt.Sprintf("%s: there is no Secret %q", w.name, secret))
		}
		if _, tag, _ := strings.Cut(c.Image, ":"); volume.Name == "membership" && secret != "membership-"+tag {
			findings = append(findings, fmt.Sprintf("%s: the token in %s is not one of %s", w.name, secret, tag))
		}
	}
	return findings
}

func checkEnvironment(m manifests, workload string, c core.Container) (findings []string) {
	for _, source := range c.EnvFrom {
		if source.ConfigMapRef == nil || named[*core.ConfigMap](m, source.ConfigMapRef.Name) == nil {
			findings = append(findings, fmt.Sprintf("%s: there is no ConfigMap for %v", workload, source))
		}
	}
	for _, variable := range c.Env {
		if variable.ValueFrom == nil || variable.ValueFrom.SecretKeyRef == nil {
			continue
		}
		ref := variable.ValueFrom.SecretKeyRef
		optional := ref.Optional != nil && *ref.Optional
		if !optional && !slices.Contains(secretKeys(m, ref.Name), ref.Key) {
			findings = append(findings, fmt.Sprintf("%s: there is no key %q in a Secret %q", workload, ref.Key, ref.Name))
		}
	}
	return findings
}

func hasVolume(m manifests, w workload, name string) bool {
	if slices.ContainsFunc(w.pod.Spec.Volumes, func(v core.Volume) bool { return v.Name == name }) {
		return true
	}
	set := named[*apps.StatefulSet](m, w.name)
	return set != nil && slices.ContainsFunc(set.Spec.VolumeClaimTemplates,
		func(c core.PersistentVolumeClaim) bool { return c.Name == name })
}

var referencesSpoils = []spoil{
	{"Secret", "dev", "there is no key \"token-secret\"", func(m *manifests) {
		without(m, func(o object) bool { return strings.HasPrefix(o.GetName(), "orkestro-") })
	}},
	{"key of a Secret", "", "there is no key \"connectionString\"", func(m *manifests) {
		for i := range containerOf(m, "wrapper").Env {
			if ref := containerOf(m, "wrapper").Env[i].ValueFrom; ref != nil && ref.SecretKeyRef != nil {
				ref.SecretKeyRef.Key = "connectionString"
			}
		}
	}},
	{"ConfigMap", "", "there is no ConfigMap", func(m *manifests) {
		without(m, func(o object) bool { return strings.HasPrefix(o.GetName(), "wrapper-settings") })
	}},
	{"ServiceAccount", "", "there is no ServiceAccount", func(m *manifests) {
		podsOf(m, "doctor").Spec.ServiceAccountName = "default"
	}},
	{"PriorityClass", "", "there is no PriorityClass", func(m *manifests) {
		podsOf(m, "mediaserver").Spec.PriorityClassName = "media"
	}},
	{"volume", "dev", "there is no volume", func(m *manifests) { podsOf(m, "mongodb").Spec.Volumes = nil }},
	{"Secret of a volume", "loadbalancer", "there is no Secret \"members\"", func(m *manifests) {
		podsOf(m, "mediaserver").Spec.Volumes[0].Secret.SecretName = "members"
	}},
	{"no token", "loadbalancer", "asks media servers for tokens", func(m *manifests) {
		dropVariable(containerOf(m, "mediaserver"), "ORKESTRO_MEMBERSHIP_FILE")
	}},
	{"token of another release", "loadbalancer", "membership-v0.5.0 is not one of v0.6.0", func(m *manifests) {
		containerOf(m, "mediaserver").Image = "ghcr.io/orkestro/orkestro:v0.6.0"
	}},
	{"certificate", "", "there is no Secret \"tls\"", func(m *manifests) {
		all[*networking.Ingress](*m)[0].Spec.TLS[0].SecretName = "tls"
	}},
}

// checkMonitors: Prometheus finds every service of ours, by a port that serves metrics.
func checkMonitors(m manifests) (findings []string) {
	monitors := all[*monitoring.ServiceMonitor](m)
	if len(monitors) == 0 {
		return nil // dev is not looked at
	}
	for _, name := range []string{"restapi", "wrapper", "mediaserver"} {
		scraped := 0
		for _, monitor := range monitors {
			service := named[*core.Service](m, name)
			if service == nil || !selects(&monitor.Spec.Selector, service.Labels) ||
				service.Labels[monitor.Spec.JobLabel] != name {
				continue
			}
			for _, endpoint := range monitor.Spec.Endpoints {
				if endpoint.Path == "/metrics" && slices.ContainsFunc(service.Spec.Ports,
					func(p core.ServicePort) bool { return p.Name == endpoint.Port }) {
					scraped++
				}
			}
		}
		if scraped != 1 {
			findings = append(findings, fmt.Sprintf("%s is scraped %d times", name, scraped))
		}
	}
	for _, service := range all[*core.Service](m) {
		perPod := service.Spec.Selector["statefulset.kubernetes.io/pod-name"] != ""
		if perPod && selects(&monitors[0].Spec.Selector, service.Labels) {
			findings = append(findings, service.Name+" has no metrics, and is scraped")
		}
	}
	return findings
}

var monitorsSpoils = []spoil{
	{"label", "", "restapi is scraped 0 times", func(m *manifests) {
		delete(named[*core.Service](*m, "restapi").Labels, "app.kubernetes.io/name")
	}},
	{"port", "", "mediaserver is scraped 0 times", func(m *manifests) {
		named[*core.Service](*m, "mediaserver").Spec.Ports[0].Name = "kurento"
	}},
	{"path", "", "wrapper is scraped 0 times", func(m *manifests) {
		all[*monitoring.ServiceMonitor](*m)[0].Spec.Endpoints[0].Path = "/"
	}},
	{"job", "", "is scraped 0 times", func(m *manifests) { all[*monitoring.ServiceMonitor](*m)[0].Spec.JobLabel = "app" }},
	{"twice", "", "is scraped 2 times", func(m *manifests) {
		*m = append(*m, all[*monitoring.ServiceMonitor](*m)[0])
	}},
	{"media ports", "loadbalancer", "has no metrics", func(m *manifests) {
		named[*core.Service](*m, "mediaserver-0").Labels["app.kubernetes.io/name"] = "mediaserver"
	}},
}
