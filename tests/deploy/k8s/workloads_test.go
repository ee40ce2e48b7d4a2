package k8s_test

import (
	"encoding/json"
	"slices"
	"strings"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// workload is what makes pods.
type workload struct {
	name     string
	server   bool // its pods run until they are told to end
	selector *meta.LabelSelector
	pod      *core.PodTemplateSpec
}

// workloads are those of the manifests; what operators make is not among them.
func workloads(m manifests) []workload {
	var found []workload
	for _, o := range m {
		switch o := o.(type) {
		case *apps.Deployment:
			found = append(found, workload{o.Name, true, o.Spec.Selector, &o.Spec.Template})
		case *apps.StatefulSet:
			found = append(found, workload{o.Name, true, o.Spec.Selector, &o.Spec.Template})
		case *batch.CronJob:
			found = append(found, workload{o.Name, false, nil, &o.Spec.JobTemplate.Spec.Template})
		}
	}
	return found
}

// podsOf is the template of a workload's pods, for spoils.
func podsOf(m *manifests, name string) *core.PodTemplateSpec {
	for _, w := range workloads(*m) {
		if w.name == name {
			return w.pod
		}
	}
	return must[core.PodTemplateSpec](nil)
}

// containerOf is the only container of a workload's pods, for spoils.
func containerOf(m *manifests, name string) *core.Container {
	return &podsOf(m, name).Spec.Containers[0]
}

// ours reports whether a container runs a program of Orkestro.
func ours(c core.Container) bool {
	repository, _, _ := strings.Cut(c.Image, ":")
	return repository == "orkestro" || strings.HasSuffix(repository, "/orkestro")
}

// overrides are what the manifests have operators put into their pods, by the name of the custom resource, with the
// containers that the operators make: a container that is not named has what the operator gives it.
func overrides(m manifests) map[string]*core.PodTemplateSpec {
	found := map[string]*core.PodTemplateSpec{}
	for _, custom := range customResources(m) {
		path := map[string][]string{
			"RabbitmqCluster":  {"spec", "override", "statefulSet", "spec", "template"},
			"MongoDBCommunity": {"spec", "statefulSet", "spec", "template"},
		}[custom.GetKind()]
		value, _, err := unstructured.NestedFieldNoCopy(custom.Object, path...)
		text, _ := json.Marshal(value)
		pod := &core.PodTemplateSpec{}
		if err == nil && json.Unmarshal(text, pod) == nil {
			found[custom.GetName()] = withAll(pod, operatorContainers[custom.GetKind()])
		}
	}
	return found
}

// operatorContainers are the containers that operators make, those that initialize first.
var operatorContainers = map[string][2][]string{
	"RabbitmqCluster":  {{"setup-container"}, {"rabbitmq"}},
	"MongoDBCommunity": {{"mongod-posthook", "mongodb-agent-readinessprobe"}, {"mongod", "mongodb-agent"}},
}

func withAll(pod *core.PodTemplateSpec, names [2][]string) *core.PodTemplateSpec {
	for i, containers := range []*[]core.Container{&pod.Spec.InitContainers, &pod.Spec.Containers} {
		for _, name := range names[i] {
			if !slices.ContainsFunc(*containers, func(c core.Container) bool { return c.Name == name }) {
				*containers = append(*containers, core.Container{Name: name})
			}
		}
	}
	return pod
}

// operated are pods that operators make of custom resources, with the labels that their code gives them
// (cluster-operator: internal/metadata/label.go; mongodb-kubernetes-operator: controllers/construct).
func operated(m manifests) map[string]labels.Set {
	pods := map[string]labels.Set{}
	for _, custom := range customResources(m) {
		switch custom.GetKind() {
		case "RabbitmqCluster":
			pods["rabbitmq"] = labels.Set{
				"app.kubernetes.io/name": custom.GetName(), "app.kubernetes.io/component": "rabbitmq",
				"app.kubernetes.io/part-of": "rabbitmq",
			}
		case "MongoDBCommunity":
			pods["mongodb"] = labels.Set{"app": custom.GetName() + "-svc"}
		}
	}
	return pods
}

// selects reports whether a selector selects something with these labels.
func selects(selector *meta.LabelSelector, set labels.Set) bool {
	s, err := meta.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(set)
}
