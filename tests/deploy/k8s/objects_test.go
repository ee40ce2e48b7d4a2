package k8s_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	scheduling "k8s.io/api/scheduling/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const deploy = "../../../deploy/k8s/"

// builds are what can be applied, and of each component one build that has it.
var builds = map[string]string{
	"dev":          deploy + "overlays/dev",
	"production":   deploy + "overlays/production",
	"loadbalancer": "testdata/loadbalancer",
}

// object is any Kubernetes object.
type object interface {
	meta.Object
	runtime.Object
}

// kinds are the types that the manifests may use, by apiVersion and kind. An unstructured one is a custom resource,
// which schema_test.go holds against its published schema.
var kinds = map[string]func() object{
	"v1/Namespace":                  func() object { return &core.Namespace{} },
	"v1/ServiceAccount":             func() object { return &core.ServiceAccount{} },
	"v1/Service":                    func() object { return &core.Service{} },
	"v1/ConfigMap":                  func() object { return &core.ConfigMap{} },
	"v1/Secret":                     func() object { return &core.Secret{} },
	"apps/v1/Deployment":            func() object { return &apps.Deployment{} },
	"apps/v1/StatefulSet":           func() object { return &apps.StatefulSet{} },
	"batch/v1/CronJob":              func() object { return &batch.CronJob{} },
	"policy/v1/PodDisruptionBudget": func() object { return &policy.PodDisruptionBudget{} },
	"autoscaling/v2/HorizontalPodAutoscaler": func() object {
		return &autoscaling.HorizontalPodAutoscaler{}
	},
	"networking.k8s.io/v1/NetworkPolicy":               func() object { return &networking.NetworkPolicy{} },
	"networking.k8s.io/v1/Ingress":                     func() object { return &networking.Ingress{} },
	"scheduling.k8s.io/v1/PriorityClass":               func() object { return &scheduling.PriorityClass{} },
	"monitoring.coreos.com/v1/ServiceMonitor":          func() object { return &monitoring.ServiceMonitor{} },
	"monitoring.coreos.com/v1/PrometheusRule":          func() object { return &monitoring.PrometheusRule{} },
	"rabbitmq.com/v1beta1/RabbitmqCluster":             func() object { return &unstructured.Unstructured{} },
	"mongodbcommunity.mongodb.com/v1/MongoDBCommunity": func() object { return &unstructured.Unstructured{} },
}

// manifests are the objects of one build.
type manifests []object

// all are those of one type.
func all[T object](m manifests) []T {
	var found []T
	for _, o := range m {
		if typed, ok := o.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

// named is the one of a type with this name; kustomize's suffix of a generated name does not count. The zero value if
// there is none.
func named[T object](m manifests, name string) (found T) {
	for _, o := range all[T](m) {
		if o.GetName() == name {
			return o
		}
		if rest, ok := strings.CutPrefix(o.GetName(), name+"-"); ok && len(rest) == 10 && !strings.Contains(rest, "-") {
			found = o
		}
	}
	return found
}

// rendered builds each of builds once, as `kubectl apply -k` does.
var rendered = sync.OnceValues(func() (map[string]manifests, error) {
	found := map[string]manifests{}
	for name, dir := range builds {
		m, err := build(dir)
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", dir, err)
		}
		found[name] = m
	}
	return found, nil
})

// build is what a kustomization gives.
func build(dir string) (manifests, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, err
	}
	var m manifests
	for _, resource := range resources.Resources() {
		document, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		o, err := decode(document)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, document)
		}
		m = append(m, o)
	}
	return m, nil
}

// load is a copy of one of builds, which the caller may change.
func load(t *testing.T, name string) manifests {
	t.Helper()
	found, err := rendered()
	if err != nil {
		t.Fatal(err)
	}
	var m manifests
	for _, o := range found[name] {
		copied, ok := o.DeepCopyObject().(object)
		if !ok {
			t.Fatalf("%T cannot be copied", o)
		}
		m = append(m, copied)
	}
	return m
}

// decode refuses kinds that are not known, and fields that their type does not have or has another type for.
func decode(document []byte) (object, error) {
	var head meta.TypeMeta
	if err := yaml.Unmarshal(document, &head); err != nil {
		return nil, err
	}
	newObject, known := kinds[head.APIVersion+"/"+head.Kind]
	if !known {
		return nil, fmt.Errorf("%s %s: not a kind that the manifests use", head.APIVersion, head.Kind)
	}
	o := newObject()
	if custom, ok := o.(*unstructured.Unstructured); ok {
		if err := yaml.UnmarshalStrict(document, &custom.Object); err != nil {
			return nil, err
		}
		return o, checkCustom(custom.Object)
	}
	return o, yaml.UnmarshalStrict(document, o)
}

func TestBuild_EveryOverlayAndComponent(t *testing.T) {
	for build := range builds {
		if m := load(t, build); len(all[*apps.StatefulSet](m)) == 0 || len(all[*apps.Deployment](m)) != 2 {
			t.Errorf("%s: media servers, REST replicas or Wrappers are missing", build)
		}
	}
	folders, err := filepath.Glob(deploy + "*/*/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var used strings.Builder
	for _, dir := range builds {
		text, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		used.Write(text)
	}
	for _, folder := range folders {
		name := filepath.Base(filepath.Dir(folder))
		_, built := builds[name]
		if !built && !strings.Contains(used.String(), "components/"+name+"\n") {
			t.Errorf("%s is part of no build", folder)
		}
	}
}

func TestDecode_RefusesWhatAnAPIServerWould(t *testing.T) {
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nspec: {"
	for name, document := range map[string]string{
		"field of no type":    deployment + "replica: 2}",
		"field of other type": deployment + "replicas: two}",
		"field twice":         deployment + "replicas: 2, replicas: 3}",
		"kind of nobody":      "apiVersion: apps/v1\nkind: Deploiment\n",
		"version of the past": "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n",
	} {
		if _, err := decode([]byte(document)); err == nil {
			t.Errorf("%s: %s is taken", name, document)
		}
	}
	if _, err := decode([]byte(deployment + "replicas: 2}")); err != nil {
		t.Error(err)
	}
}

// An object is named once, and everything that has a namespace is in one.
func checkNames(m manifests) (findings []string) {
	seen := map[string]bool{}
	for _, o := range m {
		key := fmt.Sprintf("%T %s", o, o.GetName())
		if custom, ok := o.(*unstructured.Unstructured); ok {
			key = custom.GetKind() + " " + o.GetName()
		}
		if seen[key] {
			findings = append(findings, key+" is there twice")
		}
		seen[key] = true
		switch o.(type) {
		case *core.Namespace, *scheduling.PriorityClass:
		default:
			if o.GetNamespace() == "" || named[*core.Namespace](m, o.GetNamespace()) == nil {
				findings = append(findings, fmt.Sprintf("%s is in namespace %q, which is not made", key, o.GetNamespace()))
			}
		}
	}
	return findings
}

// must is for spoils: what they change has to be there.
func must[T any](found *T) *T {
	if found == nil {
		panic(errors.New("there is nothing to spoil"))
	}
	return found
}

// customResources are the objects of operators.
func customResources(m manifests) []*unstructured.Unstructured {
	return all[*unstructured.Unstructured](m)
}

var namesSpoils = []spoil{
	{"twice", "", "is there twice", func(m *manifests) { *m = append(*m, (*m)[0]) }},
	{"elsewhere", "", "which is not made", func(m *manifests) {
		all[*core.Service](*m)[0].Namespace = "default"
	}},
}

// without is m without the objects that gone tells.
func without(m *manifests, gone func(object) bool) { *m = slices.DeleteFunc(*m, gone) }
